"""What synthetic clients do, and what of theirs must survive."""
