"""How a gateway proves whose it is: the challenge itself, for those who can import nothing else."""

from __future__ import annotations

import hashlib
import hmac
import os

__all__ = ["NONCE", "new_nonce", "proof"]

#: The header of a request that carries the nonce; in lower case, as ASGI has it.
NONCE = "headrace-nonce"


def new_nonce() -> str:
    """Return 128 random bits in hex."""
    return os.urandom(16).hex()


def proof(secret: str, nonce: str, host: str, port: int) -> str:
    """Return what whoever knows the secret answers, in hex.

    `host` and `port` are where the gateway listens, in its own words and not in the client's.
    """
    told = f"headrace healthz\n{nonce}\n{host}\n{port}".encode()
    return hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()
