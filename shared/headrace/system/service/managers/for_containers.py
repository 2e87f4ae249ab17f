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
from typing import TYPE_CHECKING, Any

from headrace.config import EnvVars, Folders, home_folder
from headrace.errors import LocalError
from headrace.interface.containers import ContainerNetwork
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.system.service import bridges, health, last_words, listeners, process
from headrace.system.service.managers import account
from headrace.system.service.managers.bare import INHERITED, Bare
from headrace.system.service.managers.spec import ACCOUNT, IDLE, ServiceSpec, describe
from headrace.system.service.managers.systemd import Systemd
from headrace.system.state import State
from headrace.system.state_files import StateFiles
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.edits.journal import Journal

__all__ = [
    "TOOL",
    "ContainersState",
    "Keeping",
    "folders_of",
    "held",
    "hold",
    "remove",
    "sockets",
    "start",
    "stop",
    "wake",
]

#: How the journal calls what is written for it.
TOOL = "containers"

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
    own = listeners.bind("127.0.0.1", address.port if address is not None else 0)
    try:
        return [own, *bridges.listen(state.networks(), state.port())]
    except LocalError:
        own.close()
        raise


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whose gateway of containers it is, and who is to keep it up."""

    folders: Folders
    scope: Scope
    settings: Path | None
    """The settings file, where it is not the usual one."""
    env: Mapping[str, str]
    journal: Journal
    by: str = Bare.name
    """The manager's name: systemd's, else it is the holder alone."""

    @property
    def spec(self) -> ServiceSpec:
        """As service managers want it."""
        return describe(self.folders, self.scope, 0, home_folder(), settings=self.settings)


def start(
    state: ContainersState, origins: Sequence[DiscoveredOrigin], keeping: Keeping
) -> GatewayAddress:
    """Start it for these networks and origins, and see it answer; one that runs is replaced.
    LocalError where it cannot be. Returns where it is on loopback.
    """
    stop(keeping)
    if keeping.scope is Scope.SYSTEM and account.may_become():
        account.ensure(ACCOUNT, folders_of(keeping.folders))
    # Nobody writes this port into a file: any that is free now will do.
    with listeners.bind("127.0.0.1", 0) as free:
        address = GatewayAddress(*listeners.address_of(free))
    state.record_gateway(address, keeping.by)
    state.record_origins(
        [each for each in origins if not each.origin.private and each.credential is None]
    )
    state.ensure_secret()
    state.ensure_token()
    if keeping.by == Systemd.name:
        manager, spec = Systemd(), keeping.spec
        options = held(keeping.folders, keeping.scope, keeping.settings)
        edit = manager.containers_edit(spec, (*options.worker, "--hold"), keeping.journal.pristine)
        keeping.journal.apply([(TOOL, edit)], of=[TOOL])
        manager.start_containers(spec)
    else:
        hold(state, keeping)
    seen = health.wait_until_up(address, state.expected(), _LIMIT)
    if not seen.up or seen.redirecting:
        log = folders_of(keeping.folders).state / "gateway.log"
        said = last_words.of_file(log) if log.exists() else ""
        why = f" ({said})" if said else ""
        raise LocalError(
            "gateway-silent",
            f"the gateway of containers did not start{why}",
            hint=f"{log} or the journal says why; then `headrace on --containers` again",
        )
    return address


def hold(state: ContainersState, keeping: Keeping) -> None:
    """Start its holder, apart from this process."""
    who = ""
    if keeping.scope is Scope.SYSTEM and account.may_become():
        who = ACCOUNT
    env = keeping.env
    given = {name: env[name] for name in INHERITED if name in env} if who else dict(env)
    log = folders_of(keeping.folders).state / "gateway.log"
    options = held(keeping.folders, keeping.scope, keeping.settings, log)
    process.leave_running(options, sockets(state), given, account=who)


def wake(folders: Folders, scope: Scope, env: Mapping[str, str], journal: Journal) -> None:
    """Start it again where it was set up, nothing else keeps it up, and nobody holds it."""
    state = ContainersState(folders, scope)
    lock = folders_of(folders).state / "gateway.lock"
    if not state.port() or state.kept_up_by() != Bare.name or process.is_held(lock):
        return
    named = env.get(EnvVars.HEADRACE_CONFIG)
    hold(state, Keeping(folders, scope, Path(named) if named else None, env, journal))


def stop(keeping: Keeping) -> bool:
    """Stop it, take the file of its service manager back; return whether it ran."""
    if any(entry.tool == TOOL for entry in keeping.journal.entries()):
        manager, spec = Systemd(), keeping.spec
        manager.stop_containers(spec)
        keeping.journal.undo(of=[TOOL])
        manager.forget(spec)
    return process.stop(folders_of(keeping.folders).state / "gateway.lock")


def remove(keeping: Keeping) -> bool:
    """Stop it and forget all that was recorded of it; return whether there was one."""
    stopped = stop(keeping)
    mine = folders_of(keeping.folders)
    there = mine.state.is_dir() and not mine.state.is_symlink()
    if there:
        shutil.rmtree(mine.state, ignore_errors=True)
    return stopped or there
