"""Asks the keyring of this interpreter all that one login needs; run as a process of its own.

Standard input: a JSON object, ``services`` in the order in which to ask, ``user`` or null.
Standard output: ``{"username", "password"}`` of the first that is known, else null.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence

__all__ = ["first_known"]


def first_known(services: Sequence[str], user: str | None) -> tuple[str, str] | None:
    """Return user and secret for the first service that the keyring has something for."""
    import keyring  # noqa: PLC0415 - heavy, and of no use to whoever only names this module

    for service in services:
        # A store may raise anything, and another question may go to another store.
        with contextlib.suppress(Exception, SystemExit):
            found = keyring.get_credential(service, user)
            if found is not None and found.password:
                return found.username or user or "", found.password
        with contextlib.suppress(Exception, SystemExit):
            if user and (secret := keyring.get_password(service, user)):
                return user, secret
    return None


def main() -> None:
    """Answer once."""
    asked = json.load(sys.stdin)
    # The answer alone goes where it is read, whatever a store's libraries say to people; and a
    # daemon that a store starts (an agent, a bus) does not hold it open.
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    found = first_known(asked["services"], asked["user"])
    with os.fdopen(answer, "w") as told:
        json.dump(found and {"username": found[0], "password": found[1]}, told)


if __name__ == "__main__":
    main()
