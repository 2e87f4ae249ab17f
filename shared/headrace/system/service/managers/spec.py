"""What is to be kept up, and what every service manager offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from headrace.config import Folders
from headrace.interface.hookspecs import FileEdit, Reader, Scope
from headrace.system.service.own_pages import INTERCEPTIONS
from headrace.system.service.process import SupervisorOptions, worker_argv
from headrace.values import dataclass

__all__ = ["ACCOUNT", "ServiceManager", "ServiceSpec", "copies", "describe"]

#: The account that the machine's gateway runs under.
ACCOUNT = "headrace"
#: Minutes without a request after which the worker of a kept gateway ends; the holder, a tenth of
#: its size, stays, and the next request starts another worker.
IDLE = 30
#: Programs that must outlive this installation, see `holder`.
PROGRAMS = ("holder.py", "responder.py", "launchd_sockets.py", "holder_windows.py")


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One gateway to keep up."""

    folders: Folders
    scope: Scope
    host: str
    port: int
    home: Path
    held: SupervisorOptions

    @property
    def programs(self) -> Path:
        """Where the copies of the holder lie. The machine's are where only root can write."""
        base = self.folders.config if self.scope is Scope.SYSTEM else self.folders.state
        return base / "keeper"


class ServiceManager(Protocol):
    """One way to keep a gateway up."""

    @property
    def name(self) -> str:
        """Word for `status` and the state: ``systemd``."""

    def edits(self, spec: ServiceSpec, read: Reader) -> Sequence[FileEdit]:
        """Describe the files that it needs."""

    def start(self, spec: ServiceSpec) -> None:
        """Start it, its files being there; LocalError when that fails."""

    def stop(self, spec: ServiceSpec) -> None:
        """Stop it, its files being there still; nothing to stop is no error."""

    def forget(self, spec: ServiceSpec) -> None:
        """Have whoever read the files take note that they are gone."""

    def lasts(self, spec: ServiceSpec) -> bool:
        """Whether the port is held from the boot on, so that nobody else can take it."""

    def said(self, spec: ServiceSpec) -> str:
        """Return what the gateway said last, from its log; "" when nothing is known."""

    def note(self, spec: ServiceSpec) -> str:
        """Say what the user should know about how long this lasts; "" when it simply lasts."""


def describe(
    folders: Folders,
    scope: Scope,
    port: int,
    home: Path,
    redirects: Sequence[str] = (),
    *,
    host: str = "127.0.0.1",
    settings: Path | None = None,
) -> ServiceSpec:
    """Describe the gateway of a scope. It serves the origins that the state folder records.

    `settings`: the settings file, where it is not the usual one.
    """
    words = ["--scope", str(scope), "--idle-exit", str(IDLE), "--folders"]
    words += [str(folder.absolute()) for folder in (folders.config, folders.state, folders.cache)]
    words += ["--settings", str(settings.absolute())] if settings is not None else []
    held = SupervisorOptions(
        worker=worker_argv(*words),
        redirects=tuple(redirects),
        interceptions=folders.state / INTERCEPTIONS,
        lock=folders.state / "gateway.lock",
        on_demand=True,
    )
    made = ServiceSpec(folders, scope, host, port, home, held)
    return replace(made, held=replace(held, script=made.programs / "holder.py"))


def copies(made: ServiceSpec, read: Reader, names: Sequence[str]) -> list[FileEdit]:
    """Describe the copies of the programs that go on when this installation is gone."""
    here = Path(__file__).parents[1]
    return [
        FileEdit(
            made.programs / name,
            read(made.programs / name),
            (here / name).read_bytes(),
            "holds the port, also while headrace is being upgraded",
        )
        for name in names
    ]
