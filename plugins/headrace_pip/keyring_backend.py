"""A keyring backend that knows the gateway's token and the company indexes that headrace fronts.

Every program that uses keyring imports this, so it is small, reads files only when it is asked for
a URL, answers None at once for all else, and never raises: one exception would switch keyring off
for the rest of a pip run. What is not ours goes on to the user's other backends.
"""

from __future__ import annotations

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import Credential, SimpleCredential

__all__ = ["HeadraceKeyring"]


class HeadraceKeyring(KeyringBackend):
    """Read only."""

    @properties.classproperty
    def priority(self) -> float:
        """Below keyring's chainer (10), above the system's stores (5): it is asked first."""
        return 9.9

    def get_password(self, service: str, username: str) -> str | None:
        """Return the secret that is recorded for this user of a URL."""
        found = _look(service, username)
        return found[1] if found else None

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        """Return user and secret that are recorded for a URL."""
        found = _look(service, username)
        return SimpleCredential(*found) if found else None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Leave it to the next backend: the chainer goes on at NotImplementedError only."""
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        """As `set_password`."""
        raise NotImplementedError


def _look(service: str, username: str | None) -> tuple[str, str] | None:
    if ":" not in service and "." not in service:
        return None
    try:
        from headrace_pip.credentials import recorded  # noqa: PLC0415 - not before it is asked for a URL

        return recorded.lookup(service, username)
    except Exception:  # noqa: BLE001 - see above: a backend that raises disables keyring
        return None
