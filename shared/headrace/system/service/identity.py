"""Who should have the gateway's port, and how a gateway proves that it is the one.

Every user of a machine may listen on 17223 while nobody else does, and could answer a user's tools
in the gateway's place. Two things tell the gateway from such a one:

- *Whose the listener is* (`headrace.ownership`). It must be the owner of the state folder, root, or
  whoever asks. The machine's gateway runs under an account of its own, which owns its state folder;
  users know it by that alone, because a secret that its account can read and every user could too
  would be none.
- *A challenge.* ``/healthz`` answers a nonce with HMAC-SHA256 over a secret in the state folder
  (0600), the nonce, and the address that the connection came in at. A relay to our real gateway on
  another port proves that other port. What does not know the secret tells nothing.

``instance``, which a gateway of before told, is a hash of a path that everybody can guess, and no
proof. It is empty now, which a command line of before takes for a gateway that does not say.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from headrace.ownership.proving import NONCE, new_nonce, proof
from headrace.values import dataclass

__all__ = ["NONCE", "Expected", "instance_of_before", "is_nonce", "new_nonce", "proof"]

_NONCE = re.compile(r"[0-9a-f]{32,64}")


@dataclass(frozen=True, slots=True)
class Expected:
    """Who should answer on the gateway's port."""

    owners: frozenset[int] = frozenset()
    """User ids beside root's and this process's own."""
    secret: str | None = None
    """What the gateway proves that it knows; None: this user cannot read it. "": none was made, so
    a gateway that proves anything is another."""


def is_nonce(text: str) -> bool:
    """Whether this is one: anything else is not signed."""
    return _NONCE.fullmatch(text) is not None


def instance_of_before(state: Path) -> str:
    """Return what a gateway of before calls itself, to tell two of one user's apart; no proof."""
    return hashlib.sha256(os.fsencode(state.absolute())).hexdigest()[:16]
