"""Which service manager this machine has, on which port, and how it is started and removed.

The files are described first (`Plan.edits`), so that a dry run can show them and the journal can
write and undo them; `Plan.start` acts when they are there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, GatewayAddress, Reader, Scope
from headrace.system.edits.journal import UndoResult
from headrace.system.service import health, process
from headrace.system.service.identity import instance_of_before
from headrace.system.service.managers import ports, shells
from headrace.system.service.managers.bare import Bare
from headrace.system.service.managers.launchd import Launchd
from headrace.system.service.managers.spec import ServiceManager, ServiceSpec, describe
from headrace.system.service.managers.systemd import Systemd
from headrace.system.service.managers.windows import Windows
from headrace.system.service.runs import places
from headrace.system.state import State
from headrace.values import dataclass

__all__ = ["Plan", "RunningGateway", "by_name", "choose", "is_ours", "plan", "remove"]

#: Seconds for the first worker to answer.
START_LIMIT = 20.0
_MANAGER_IS_THERE = {"running", "degraded", "starting", "initializing"}


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that answers, and what it took."""

    address: GatewayAddress
    how: str
    """The manager's name: ``systemd``, ``launchd``, ``task-scheduler``, ``holder``."""
    edits: tuple[FileEdit, ...]
    note: str
    """What the user should know; "" when there is nothing."""

    @property
    def host(self) -> str:
        """The address's."""
        return self.address.host

    @property
    def port(self) -> int:
        """The address's."""
        return self.address.port


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done; nothing has been touched yet."""

    address: GatewayAddress
    manager: ServiceManager
    spec: ServiceSpec
    edits: tuple[FileEdit, ...]
    note: str
    state: State

    def start(self) -> RunningGateway:
        """Start the gateway, its files being there, and see it answer; else LocalError."""
        self.manager.start(self.spec)
        seen = health.wait_until_up(self.address, self.state.expected(), START_LIMIT)
        if seen.who:
            raise LocalError(
                "port-taken",
                f"port {self.spec.port} is held by {seen.who}, and not by the gateway",
                hint="run it again: another port is taken then",
            )
        if not seen.up:
            said = self.manager.said(self.spec)
            why = f"it says: {said}" if said else "it does not answer"
            raise LocalError(
                "gateway-silent",
                f"{self.manager.name} was told to start the gateway on port {self.spec.port}, and "
                f"{why}",
                hint="`headrace gateway` in a terminal shows what is wrong",
            )
        kept = self.kept()
        if seen.redirecting:
            told = "the gateway cannot start and sends everybody to the origin"
            if said := self.manager.said(self.spec):
                told += f" ({said})"
            kept = replace(kept, note=f"{told}; {kept.note}".rstrip("; "))
        return kept

    def kept(self) -> RunningGateway:
        """Return what this plan comes to."""
        return RunningGateway(self.address, self.manager.name, self.edits, self.note)


def is_ours(plan: Plan) -> bool:
    """Whether the gateway of this plan answers already, and proves it."""
    there = health.look(plan.address, plan.state.expected())
    return there.up and there.proof is health.Proof.GIVEN


def choose(scope: Scope, env: Mapping[str, str]) -> ServiceManager:
    """Return the manager of this machine and scope."""
    if sys.platform in ("win32", "darwin") and scope is Scope.SYSTEM:
        raise LocalError(
            "no-system-gateway",
            "a gateway for the whole machine is not supported on this system",
            hint="each user can have one: `headrace on --scope user`",
        )
    if sys.platform == "win32":
        return Windows()
    if sys.platform == "darwin":
        return Launchd()
    return Systemd() if _systemd_runs(scope, env) else Bare(env)


def by_name(name: str, env: Mapping[str, str]) -> ServiceManager:
    """Return the manager that was recorded at ``on``; it may not be the one of today."""
    managers: Sequence[ServiceManager] = (Systemd(), Launchd(), Windows(), Bare(env))
    return next((manager for manager in managers if manager.name == name), managers[-1])


def plan(
    folders: Folders,
    scope: Scope,
    env: Mapping[str, str],
    *,
    home: Path,
    port: int,
    redirects: Sequence[str],
    read: Reader,
    recorded: GatewayAddress | None = None,
    settings: Path | None = None,
    functions: bool = False,
) -> Plan:
    """Decide who keeps the gateway up and on which port.

    `port` is the wanted one; when a foreign program has it, the next free one is taken and the note
    says so. `recorded` is the address of an earlier ``on``, which is kept where it is ours.
    `functions`: the user's shells are to have those that lead tools.
    """
    manager = choose(scope, env)
    host = "127.0.0.1"
    wanted = recorded.port if recorded is not None else port
    if not wanted:
        raise LocalError(
            "no-port",
            "port 0 is whichever is free, and tools need one that stays",
            hint="choose one with `port` in config.toml or HEADRACE_PORT; nothing was changed",
        )
    for each in (folders.config, folders.state, folders.cache, home):
        if any(letter < " " or letter == "\x7f" for letter in str(each)):
            # Files of service managers are lines of text.
            raise LocalError(
                "odd-folder",
                f"{str(each)!r} has characters that no file of a service manager can hold",
                hint="set HEADRACE_HOME to another folder; nothing was changed",
            )
    state = State(folders, scope)
    taken, note = _port(state, host, wanted)
    made = describe(folders, scope, taken, home, redirects, host=host, settings=settings)
    notes = [text for text in (note, manager.note(made)) if text]
    token = recorded.token if recorded is not None else None
    edits = manager.edits(made, read)
    if functions:
        edits = shells.with_functions(edits, home, env, shells.login_shell(env), read)
    return Plan(
        GatewayAddress(host, taken, token),
        manager,
        made,
        tuple(edits),
        "; ".join(notes),
        state,
    )


def remove(
    folders: Folders,
    scope: Scope,
    env: Mapping[str, str],
    *,
    home: Path,
    kept_up_by: str,
    address: GatewayAddress,
    undo: Callable[[], UndoResult],
) -> UndoResult:
    """Stop the gateway, take its files back with `undo` (the journal's), and tell the manager."""
    manager = by_name(kept_up_by, env)
    made = describe(folders, scope, address.port, home, host=address.host)
    manager.stop(made)
    if made.held.lock is not None:
        # One that was started by hand meanwhile, or left behind by its manager.
        process.stop(made.held.lock)
    undone = undo()
    manager.forget(made)
    return undone


def _port(state: State, host: str, wanted: int) -> tuple[int, str]:
    if ports.is_free(host, wanted):
        return wanted, ""
    if places.serving(state.folder, wanted):
        # Another port would stay in the tools' files, and their caches go by the URL.
        raise LocalError(
            "runs-have-port",
            f"commands of `headrace run` use port {wanted} now",
            hint="wait until they have ended, then say it again; nothing was changed",
        )
    there = health.look(GatewayAddress(host, wanted), state.expected())
    if there.trusted:
        # One that a version without proofs began says at least which of this user's it is.
        named = there.instance in ("", instance_of_before(state.folder))
        # The holder has the port before any worker answers.
        if named if there.answers else process.is_held(state.folder / "gateway.lock"):
            return wanted, ""
    another = "another gateway of yours" if there.answers else ""
    who = there.who or another or ports.owner(wanted) or "another program"
    other = ports.next_free(host, wanted)
    if other is None:
        raise LocalError(
            "port-taken",
            f"port {wanted} is taken by {who}, and so are the next {ports.TRIED}",
            hint="choose one with `port` in config.toml",
        )
    return other, f"port {wanted} is taken by {who}, so {other} is used"


def _systemd_runs(scope: Scope, env: Mapping[str, str]) -> bool:
    """Whether a manager of this scope is there to be asked."""
    program = shutil.which("systemctl", path=env.get("PATH"))
    if program is None:
        return False
    if scope is Scope.SYSTEM:
        return Path("/run/systemd/system").is_dir()
    try:
        done = subprocess.run(  # noqa: S603 - systemctl
            [program, "--user", "is-system-running"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env=dict(env),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() in _MANAGER_IS_THERE
