"""
A coverage-guided fuzzer of the protocol, for machines that have time: ``python -m tests.wire.fuzz --seconds 600``.

Needs ``pip install atheris``. What it finds worth keeping goes to a directory of its own; a crash is printed with the
file that makes it, and belongs into ``corpus/`` as ``<what-happens>.txt`` together with the mend.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 4096
SLOWEST = 20
"""Seconds that one input may take before it counts as a hang."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where to keep what reached new code (default: a fresh directory)")
    asked = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.stderr.write("the fuzzer needs atheris: pip install atheris\n")
        return 2
    with atheris.instrument_imports(include=["lvdeploy"]):
        from tests.wire.hostile import play
    kept = asked.keep or Path(tempfile.mkdtemp(prefix="lvdeploy-fuzz-"))
    kept.mkdir(parents=True, exist_ok=True)
    options = [
        sys.argv[0], f"-max_total_time={asked.seconds}", f"-seed={asked.seed}", f"-max_len={LONGEST}",
        f"-timeout={SLOWEST}", "-rss_limit_mb=2048", f"-dict={CORPUS.parent / 'fuzz.dict'}",
        f"-artifact_prefix={kept}/", str(kept), str(CORPUS),
    ]  # fmt: skip
    sys.stderr.write(f"keeping in {kept}\n")
    atheris.Setup(options, play)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
