"""The gateway of containers: one of its own, so that nothing of the user's is there to be had.

It has a state and a store of its own, knows the public origins alone, asks nobody for a login, and
has a token of its own. A holder keeps it up as it does any gateway; its sockets are on the bridges
of engines, and one on loopback is for `headrace status` and `doctor`.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.containers import ContainerNetwork
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.system.service import bridges, health, last_words, listeners, process
from headrace.system.service.managers import account
from headrace.system.service.managers.bare import INHERITED
from headrace.system.service.managers.spec import ACCOUNT, IDLE
from headrace.system.state import State
from headrace.system.state_files import StateFiles

__all__ = ["ContainersState", "folders_of", "held", "remove", "sockets", "start"]

#: Seconds for the first worker to answer.
_LIMIT = 20.0
_NAME = "containers"


def folders_of(folders: Folders) -> Folders:
    """Return where the gateway of containers keeps what it knows."""
    return Folders(folders.config, folders.state / _NAME, folders.cache / _NAME)


class ContainersState(State):
    """What is remembered of it: as of any gateway, and where containers find it."""

    def __init__(self, folders: Folders, scope: Scope) -> None:
        """`folders` are those of the user's or the machine's own gateway."""
        super().__init__(folders_of(folders), scope)
        self._bridges = StateFiles(self.folder, shared=scope is Scope.SYSTEM)

    def networks(self) -> list[ContainerNetwork]:
        """Return the networks that it serves, as they were when ``on`` asked the engines."""
        return self._bridges.read(
            "bridges.json", lambda told: [_network(each) for each in told["networks"]], []
        )

    def port(self) -> int:
        """Return its port on every bridge; 0: there is none."""
        return self._bridges.read("bridges.json", lambda told: int(told["port"]), 0)

    def record(self, networks: Sequence[ContainerNetwork], port: int) -> None:
        """Remember these and no others."""
        table = {"port": port, "networks": [asdict(each) for each in networks]}
        self._bridges.write("bridges.json", table)


def _network(told: Mapping[str, Any]) -> ContainerNetwork:
    words = {name: str(told[name]) for name in ("engine", "name", "host", "subnet", "interface")}
    names = tuple(str(each) for each in told["names"])
    return ContainerNetwork(**words, known_as=str(told["known_as"]), names=names)


def held(
    folders: Folders, scope: Scope, settings: Path | None, log: Path | None = None
) -> process.SupervisorOptions:
    """Describe who keeps it up."""
    words = ["--containers", "--scope", str(scope), "--idle-exit", str(IDLE), "--folders"]
    words += [str(folder.absolute()) for folder in (folders.config, folders.state, folders.cache)]
    words += ["--settings", str(settings.absolute())] if settings is not None else []
    return process.SupervisorOptions(
        worker=process.worker_argv(*words),
        lock=folders_of(folders).state / "gateway.lock",
        log=log,
        on_demand=True,
    )


def sockets(state: ContainersState) -> list[socket.socket]:
    """Open its sockets, the one on loopback first; LocalError."""
    address = state.gateway()
    try:
        own = listeners.bind("127.0.0.1", address.port if address is not None else 0)
    except LocalError:
        # Nobody has written this port into a file: any will do.
        own = listeners.bind("127.0.0.1", 0)
    try:
        found = [own, *bridges.listen(state.networks(), state.port())]
    except LocalError:
        own.close()
        raise
    state.record_gateway(GatewayAddress(*listeners.address_of(own)), "holder")
    return found


def start(  # noqa: PLR0917 - all that it is made of
    state: ContainersState,
    folders: Folders,
    scope: Scope,
    settings: Path | None,
    origins: Sequence[DiscoveredOrigin],
    env: Mapping[str, str],
) -> GatewayAddress:
    """Start it for these networks and origins, and see it answer; one that runs is replaced.
    LocalError where it cannot be. Returns where it is on loopback.
    """
    mine = folders_of(folders)
    process.stop(mine.state / "gateway.lock")
    who = ""
    if scope is Scope.SYSTEM and account.may_become():
        account.ensure(ACCOUNT, mine)
        who = ACCOUNT
    state.record_origins(
        [each for each in origins if not each.origin.private and each.credential is None]
    )
    state.ensure_secret()
    state.ensure_token()
    log = mine.state / "gateway.log"
    given = {name: env[name] for name in INHERITED if name in env} if who else dict(env)
    process.leave_running(held(folders, scope, settings, log), sockets(state), given, account=who)
    address = state.gateway()
    assert address is not None
    seen = health.wait_until_up(address, state.expected(), _LIMIT)
    if not seen.up or seen.redirecting:
        said = last_words.of_file(log)
        why = f" ({said})" if said else ""
        raise LocalError(
            "gateway-silent",
            f"the gateway of containers did not start{why}",
            hint=f"{log} says why; then `headrace on --containers` again",
        )
    return address


def remove(folders: Folders) -> bool:
    """Stop it and forget all that was recorded of it; return whether there was one."""
    mine = folders_of(folders)
    stopped = process.stop(mine.state / "gateway.lock")
    there = mine.state.is_dir() and not mine.state.is_symlink()
    if there:
        shutil.rmtree(mine.state, ignore_errors=True)
    return stopped or there
