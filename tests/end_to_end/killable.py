"""
lvdeploy's command line with an end: it kills itself, by SIGKILL, at one of the points at which it may die.

``python -P killable.py FILE POINT ARGUMENT…`` writes each point that it passes to FILE and dies at that number,
or at the first of that name. What the clock passes (renewals) and what is only told or read is no point.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

from lvdeploy.cli import assemble, fleet, main, rollouts

NEVER = "-1"
UNCOUNTED = ("event", "renew lease", "read lease")


class Doom:
    def __init__(self, file: Path, deadly: str) -> None:
        self.log, self.deadly, self.passed = file.open("w", buffering=1), deadly, 0

    def __call__(self, point: str) -> None:
        if point.endswith(UNCOUNTED):
            return
        self.log.write(f"{point}\n")
        if self.deadly in (point, str(self.passed)):
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


if __name__ == "__main__":
    doom = Doom(Path(sys.argv[1]), sys.argv[2])
    del sys.argv[1:3]
    for module in (fleet, rollouts):
        module.assemble = partial(assemble.assemble, hook=doom)
    main.main()
