"""The protocols synthetic clients speak: sessions without I/O."""
