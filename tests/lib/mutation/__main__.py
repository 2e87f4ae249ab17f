"""``python -m lib.mutation``."""

from __future__ import annotations

import sys

from lib.mutation import main

sys.exit(main())
