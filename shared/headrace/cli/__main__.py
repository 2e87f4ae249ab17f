"""``python -m headrace.cli``, for those who know the interpreter and not the script."""

from __future__ import annotations

import sys

from headrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
