"""What a user's command line and the user's gateway know of each other beside the address."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["INTERCEPTIONS", "LIVE", "LIVE_CODES", "OPENS", "shown_for"]

INTERCEPTIONS = "interceptions"
"""Folder, below a gateway's state, of the commands that are led through it as a proxy: a file each,
named by the SHA-256 of its token."""

LIVE = "/live/"
"""Path of the live page."""
LIVE_CODES = "/live/codes"
"""Where a code is to be had that opens it in a browser (POST)."""
OPENS = "x-headrace-open"
"""Header of who asks for one."""


def shown_for(secret: str) -> str:
    """Return the password that opens the gateway's own pages, of the secret in the state folder.

    It opens nothing else, and the secret cannot be told from it. Shown in Basic Authorization like
    a token, and only to a gateway that has proven that it knows the secret.
    """
    return hmac.new(secret.encode(), b"headrace own pages", hashlib.sha256).hexdigest()
