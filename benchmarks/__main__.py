"""``python -m benchmarks [NAME …]``: runs the budgets, a process each, and prints a line for every bar."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_PARTS = {"cluster", "fields", "load_programs", "loads", "measured", "result", "terminal"}
_NOT_BUDGETS = {"__init__", "__main__"} | _PARTS


def names() -> list[str]:
    """Every budget, by file name."""
    return sorted(path.stem for path in _HERE.glob("*.py") if path.stem not in _NOT_BUDGETS)


def main(argv: list[str]) -> int:
    """Runs the named budgets, or all. Exit code 1 if a bar is missed, 2 if a name is unknown."""
    wanted = argv or names()
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        print(f"no such budget: {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted:
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
