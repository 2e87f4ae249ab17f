"""The gateway's command line with minutes where the gateway has seconds: how slow this machine is
decides nothing here.
"""

from __future__ import annotations

import sys

from headrace.policy import timeouts
from lib.waiting import HANG

if __name__ == "__main__":
    timeouts.VARIANTS_WITHIN = HANG
    # What reads it comes in from here on.
    from headrace.cli import main
    from headrace.documents.client_requests import ClientRequests

    (ClientRequests.__init__.__kwdefaults__ or {})["within"] = HANG
    sys.exit(main())
