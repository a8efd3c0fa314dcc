"""``python -P -m clients.load [--job [--held]]``"""

from __future__ import annotations

import sys

from clients.load.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
