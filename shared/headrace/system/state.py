"""What headrace itself remembers between runs: origins, the gateway's address, the network.

All of it lies in the state folder, 0600 in a folder of 0700, because URLs and proxies may carry
credentials. The machine's state (`Scope.SYSTEM`) may be read by every user as far as it holds no
secret, so that a user's activation finds the machine's gateway; its files are given to the
owner of the folder, which is the account that the gateway runs under. What anybody else can write
is not believed.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from headrace import __version__
from headrace.config import NETWORK_VARIABLES, Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Credential, Origin
from headrace.system.service.identity import Expected
from headrace.system.state_files import FORMAT, StateFiles, refuse_newer

__all__ = ["State", "set_up_by"]

#: Where this headrace is installed.
_HERE = Path(__file__).parents[1]


class State:
    """The state folder of a user or of the machine."""

    def __init__(self, places: Folders, scope: Scope = Scope.USER) -> None:
        """Touch nothing: folders are made by the first write."""
        self.folder = places.state
        self.scope = scope
        self._files = StateFiles(places.state, shared=scope is Scope.SYSTEM)
        # Root follows the journal when it undoes. The gateway's account owns the machine's state
        # folder, so the machine's journal must lie elsewhere, where only root writes.
        self.journal = (places.config if scope is Scope.SYSTEM else places.state) / "journal"

    # -------------------------------------------------------------- origins

    def origins(self) -> list[DiscoveredOrigin]:
        """Return the origins that ``on`` found, with the credentials that were in their URLs."""
        return self._files.read("origins.json", lambda told: [_origin(e) for e in told], [])

    def record_origins(self, origins: Iterable[DiscoveredOrigin]) -> None:
        """Remember these and no others."""
        entries = [_entry(found) for found in origins]
        secret = any(entry["credential"] for entry in entries)
        self._files.write("origins.json", entries, secret=secret)

    def forget_origins(self) -> None:
        """Forget all origins and credentials."""
        self._files.forget("origins.json")

    # -------------------------------------------------------------- gateway

    def gateway(self) -> GatewayAddress | None:
        """Return where the gateway is, or None when none was set up."""
        place = self._files.read("gateway.json", partial(_place, self.folder), None)
        return None if place is None else GatewayAddress(*place, self.token())

    def kept_up_by(self) -> str:
        """Return what keeps the gateway up (``systemd``, ``launchd``, …); "" if nothing."""
        return self._files.read("gateway.json", lambda told: str(told.get("kept_up_by", "")), "")

    def record_gateway(self, address: GatewayAddress, kept_up_by: str = "") -> None:
        """Remember the address; the token is kept apart, see `token`."""
        entry = {
            "host": address.host,
            "port": address.port,
            "kept_up_by": kept_up_by,
            "format": FORMAT,
            "written_by": __version__,
            "installed_in": str(_HERE),
        }
        self._files.write("gateway.json", entry)

    def forget_gateway(self) -> None:
        """Forget address, token, and what was said of the port."""
        for name in ("gateway.json", "token", "shared-port"):
            self._files.forget(name)

    def token(self) -> str | None:
        """Return the token that clients must show, or None when none is asked for."""
        return self._files.read("token", str, None)

    def ensure_token(self) -> str:
        """Return the token, making one (256 bits) at first."""
        return self.token() or self._make_secret("token")

    # -------------------------------------------------------------- the port

    def expected(self) -> Expected:
        """Return who should have the gateway's port."""
        return Expected(self._files.owners(), self.secret())

    def secret(self) -> str | None:
        """Return what the gateway proves its identity with; None: not for this user. "": none."""
        try:
            secret = self._files.read("secret", str, "")
        except LocalError as error:
            if isinstance(error.__cause__, PermissionError):
                return None
            raise
        return str(secret)

    def ensure_secret(self) -> str:
        """Return it, making one (256 bits) at first."""
        return self.secret() or self._make_secret("secret")

    def accept_shared_port(self) -> None:
        """Remember that the user knows of the others who could take the port."""
        self._files.write("shared-port", True)

    def shared_port_accepted(self) -> bool:
        """Whether the user said so."""
        return bool(self._files.read("shared-port", bool, False))

    def _make_secret(self, name: str) -> str:
        with self._files.alone(name):
            made: str | None = self._files.read(
                name, str, None
            )  # another process may have been quicker
            if made is None:
                made = secrets.token_urlsafe(32)
                self._files.write(name, made, secret=True)
        return str(made)

    # -------------------------------------------------------------- off

    def turn_off(self) -> None:
        """Remember that ``off`` was said, for tools that carry headrace in themselves."""
        self._files.write("off", True)

    def turn_on(self) -> None:
        """Forget that."""
        self._files.forget("off")

    # -------------------------------------------------------------- network

    def network(self) -> dict[str, str]:
        """Return the CA and proxy variables that were set when ``on`` ran."""
        return self._files.read(
            "network.json", lambda told: {str(k): str(told[k]) for k in told}, {}
        )

    def record_network(self, env: Mapping[str, str]) -> None:
        """Keep what a service does not inherit from the user's shell."""
        found = {name: env[name] for name in NETWORK_VARIABLES if env.get(name)}
        self._files.write("network.json", found, secret=True)

    def forget_network(self) -> None:
        """Forget them: a proxy's URL may hold a password."""
        self._files.forget("network.json")

    def setting_up(self) -> contextlib.AbstractContextManager[None]:
        """Let one `on` or `off` at a time do all of its work: between its steps the other one
        would stop the gateway that files are just being pointed at.
        """
        return self._files.alone("setup")


def set_up_by(state: State) -> tuple[str, Path] | None:
    """Return version and folder of the headrace that recorded the gateway; None where that is not
    known: there is none, or its version did not write it down.
    """
    files = StateFiles(state.folder, shared=state.scope is Scope.SYSTEM)
    return files.read("gateway.json", _installation, None)


def _place(folder: Path, told: Any) -> tuple[str, int]:
    refuse_newer(folder / "gateway.json", told, "state-newer")
    port = int(told["port"])
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    return str(told["host"]), port


def _installation(told: Any) -> tuple[str, Path] | None:
    version, folder = told.get("written_by"), told.get("installed_in")
    return (str(version), Path(str(folder))) if version and folder else None


def _entry(found: DiscoveredOrigin) -> dict[str, Any]:
    origin, credential = found.origin, found.credential
    return {
        "ecosystem": origin.ecosystem,
        "url": origin.url,
        "private": origin.private,
        "name": origin.name,
        "where": found.where,
        "authorities": found.authorities,
        "authorities_alone": found.authorities_alone,
        "credential": credential and {"username": credential.username, "secret": credential.secret},
    }


def _origin(entry: Mapping[str, Any]) -> DiscoveredOrigin:
    credential = entry.get("credential")
    return DiscoveredOrigin(
        Origin(entry["ecosystem"], entry["url"], bool(entry["private"]), entry["name"]),
        where=entry["where"],
        credential=Credential(credential["username"], credential["secret"]) if credential else None,
        authorities=str(entry.get("authorities") or ""),
        authorities_alone=bool(entry.get("authorities_alone", True)),
    )
