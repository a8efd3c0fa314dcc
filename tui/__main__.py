"""``python -m tui`` is ``servegrid``, where the command is not installed."""

from __future__ import annotations

from tui.cli import main

raise SystemExit(main())
