"""The hooks for logins: of origins, and of mirrors that the user put one down for."""

from __future__ import annotations

import headrace.interface as api

__all__ = ["headrace_credential", "headrace_login"]
# ruff: noqa: PLC0415 - the plugin loads this file, and not what it does not use


@api.hookimpl(trylast=True)
def headrace_credential(origin: api.Origin) -> api.Credential | None:
    """Netrc and keyring, as pip would ask them."""
    from headrace_pip.credentials.netrc_and_keyring import credential

    return credential(origin) if origin.ecosystem == "python" else None


@api.hookimpl(trylast=True)
def headrace_login(mirror: api.Mirror) -> api.Credential | None:
    """As above."""
    from headrace_pip.credentials.netrc_and_keyring import login

    return login(mirror) if mirror.ecosystem == "python" else None
