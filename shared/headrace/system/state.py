"""What headrace itself remembers between runs: origins, the gateway's address, the network.

All of it lies in the state folder, 0600 in a folder of 0700, because URLs and proxies may carry
credentials. The machine's state (`Scope.SYSTEM`) may be read by every user as far as it holds no
secret, so that a user's activation finds the machine's gateway; its files are given to the
owner of the folder, which is the account that the gateway runs under.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from headrace.config import NETWORK_VARIABLES, Folders
from headrace.errors import LocalError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Credential, Origin
from headrace.system import atomic
from headrace.system.locks import locked

__all__ = ["State"]

_T = TypeVar("_T")
_D = TypeVar("_D")


class State:
    """The state folder of a user or of the machine."""

    def __init__(self, folders: Folders, scope: Scope = Scope.USER) -> None:
        """Touch nothing: folders are made by the first write."""
        self.folder = folders.state
        self.scope = scope
        # Root follows the journal when it undoes. The gateway's account owns the machine's state
        # folder, so the machine's journal must lie elsewhere, where only root writes.
        self.journal = (folders.config if scope is Scope.SYSTEM else folders.state) / "journal"

    # -------------------------------------------------------------- origins

    def origins(self) -> list[DiscoveredOrigin]:
        """Return the origins that ``on`` found, with the credentials that were in their URLs."""
        return self._read("origins.json", lambda told: [_origin(entry) for entry in told], [])

    def record_origins(self, origins: Iterable[DiscoveredOrigin]) -> None:
        """Remember these and no others."""
        entries = [_entry(found) for found in origins]
        secret = any(entry["credential"] for entry in entries)
        self._write("origins.json", entries, secret=secret)

    def forget_origins(self) -> None:
        """Forget all origins and credentials."""
        self._forget("origins.json")

    # -------------------------------------------------------------- gateway

    def gateway(self) -> GatewayAddress | None:
        """Return where the gateway is, or None when none was set up."""
        place = self._read("gateway.json", _place, None)
        return None if place is None else GatewayAddress(*place, self.token())

    def kept_up_by(self) -> str:
        """Return what keeps the gateway up (``systemd``, ``launchd``, …); "" if nothing."""
        return self._read("gateway.json", lambda told: str(told.get("kept_up_by", "")), "")

    def record_gateway(self, address: GatewayAddress, kept_up_by: str = "") -> None:
        """Remember the address; the token is kept apart, see `token`."""
        entry = {"host": address.host, "port": address.port, "kept_up_by": kept_up_by}
        self._write("gateway.json", entry)

    def forget_gateway(self) -> None:
        """Forget address and token."""
        self._forget("gateway.json")
        self._forget("token")

    def token(self) -> str | None:
        """Return the token that clients must show, or None when none is asked for."""
        return self._read("token", str, None)

    def ensure_token(self) -> str:
        """Return the token, making one (256 bits) at first."""
        token = self.token()
        if token is None:
            with self._alone("token"):
                token = self.token()  # another process may have been quicker
                if token is None:
                    token = secrets.token_urlsafe(32)
                    self._write("token", token, secret=True)
        return token

    # -------------------------------------------------------------- off

    def turn_off(self) -> None:
        """Remember that ``off`` was said, for tools that carry headrace in themselves."""
        self._write("off", True)

    def turn_on(self) -> None:
        """Forget that."""
        self._forget("off")

    # -------------------------------------------------------------- network

    def network(self) -> dict[str, str]:
        """Return the CA and proxy variables that were set when ``on`` ran."""
        return self._read("network.json", lambda told: {str(k): str(told[k]) for k in told}, {})

    def record_network(self, env: Mapping[str, str]) -> None:
        """Keep what a service does not inherit from the user's shell."""
        found = {name: env[name] for name in NETWORK_VARIABLES if env.get(name)}
        self._write("network.json", found, secret=True)

    def forget_network(self) -> None:
        """Forget them: a proxy's URL may hold a password."""
        self._forget("network.json")

    # -------------------------------------------------------------- files

    def setting_up(self) -> contextlib.AbstractContextManager[None]:
        """Let one `on` or `off` at a time do all of its work: between its steps the other one
        would stop the gateway that files are just being pointed at.
        """
        return self._alone("setup")

    def _read(self, name: str, meant: Callable[[Any], _T], default: _D) -> _T | _D:
        """Read a file: `default` where there is none, LocalError where it is broken."""
        path = self.folder / name

        def broken(why: str) -> LocalError:
            return LocalError(
                "state-unreadable",
                f"{path} cannot be read: {why}",
                hint="`headrace on` writes it anew once it is readable or gone",
            )

        with foreign("the state", broken):
            try:
                told = read_json(path.read_bytes())
            except FileNotFoundError:
                return default
            except UnreadableError as error:
                raise broken(error.message) from error
            return default if told is None else meant(told)

    def _write(self, name: str, value: Any, *, secret: bool = False) -> None:
        shared = self.scope is Scope.SYSTEM
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=self._folder_mode)
            atomic.replace(
                self.folder / name,
                json.dumps(value, indent=1).encode() + b"\n",
                mode=0o644 if shared and not secret else 0o600,
                owner=_owner(self.folder),
            )
        except OSError as error:
            raise _unwritable(self.folder / name, error) from error

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Let one process at a time make a file, where the file system has locks."""
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True, mode=self._folder_mode)
                stack.enter_context(locked(self.folder / f"{name}.lock"))
            except OSError as error:
                raise _unwritable(self.folder / name, error) from error
            yield

    @property
    def _folder_mode(self) -> int:
        return 0o755 if self.scope is Scope.SYSTEM else 0o700

    def _forget(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).unlink()


def _place(told: Any) -> tuple[str, int]:
    port = int(told["port"])
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    return str(told["host"]), port


def _unwritable(path: Path, error: OSError) -> LocalError:
    return LocalError(
        "state-unwritable",
        f"{path} cannot be written: {error.strerror or error}",
        hint="check the disk and the folder's owner",
    )


def _owner(folder: Path) -> tuple[int, int] | None:
    if os.name == "nt":
        return None
    status = folder.stat()
    return status.st_uid, status.st_gid


def _entry(found: DiscoveredOrigin) -> dict[str, Any]:
    origin, credential = found.origin, found.credential
    return {
        "ecosystem": origin.ecosystem,
        "url": origin.url,
        "private": origin.private,
        "name": origin.name,
        "where": found.where,
        "credential": credential and {"username": credential.username, "secret": credential.secret},
    }


def _origin(entry: Mapping[str, Any]) -> DiscoveredOrigin:
    credential = entry.get("credential")
    return DiscoveredOrigin(
        Origin(entry["ecosystem"], entry["url"], bool(entry["private"]), entry["name"]),
        where=entry["where"],
        credential=Credential(credential["username"], credential["secret"]) if credential else None,
    )
