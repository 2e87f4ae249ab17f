"""The gateway's command line with minutes where the gateway has seconds: how slow this machine is
decides nothing here.
"""

from __future__ import annotations

import sys

from headrace.policy import timeouts
from lib.waiting import HANG

if __name__ == "__main__":
    timeouts.VARIANTS_WITHIN = timeouts.REQUEST_KNOWN_WITHIN = HANG
    # What reads them comes in from here on.
    from headrace.cli import main

    sys.exit(main())
