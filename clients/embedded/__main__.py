"""``python -P -m clients.embedded``"""

from __future__ import annotations

import sys

from clients.embedded.command import main

if __name__ == "__main__":
    sys.exit(main())
