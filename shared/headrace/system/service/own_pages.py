"""How a user's own command line is known to the user's gateway where the system does not tell."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["shown_for"]


def shown_for(secret: str) -> str:
    """Return the password that opens the gateway's own pages, of the secret in the state folder.

    It opens nothing else, and the secret cannot be told from it. Shown in Basic Authorization like
    a token, and only to a gateway that has proven that it knows the secret.
    """
    return hmac.new(secret.encode(), b"headrace own pages", hashlib.sha256).hexdigest()
