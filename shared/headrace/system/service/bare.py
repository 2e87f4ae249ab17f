"""No service manager: the holder, started apart from the terminal. Nothing restarts it at boot."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from headrace.errors import LocalError
from headrace.hookspecs import FileEdit, Reader, Scope
from headrace.system.service import account, process
from headrace.system.service.task import ACCOUNT, Task, copies

__all__ = ["Bare"]


class Bare:
    """A keeper: the holder alone."""

    name = "holder"

    def __init__(self, env: Mapping[str, str], listen: Callable[[str, int], socket.socket]) -> None:
        """`env` is the holder's environment; `listen` opens a socket (`network.listeners.bind`)."""
        self._env = env
        self._listen = listen

    def edits(self, task: Task, read: Reader) -> Sequence[FileEdit]:
        """The programs alone."""
        return copies(task, read, ("holder.py", "responder.py"))

    def start(self, task: Task) -> None:
        """Start it; one that runs already is replaced, for its settings may have changed."""
        self.stop(task)
        who = ""
        if task.scope is Scope.SYSTEM and os.geteuid() == 0:
            account.ensure(ACCOUNT, task.folders)
            who = ACCOUNT
        held = replace(task.held, log=task.folders.state / "gateway.log")
        try:
            task.folders.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LocalError(
                "state-unwritable",
                f"{task.folders.state} cannot be made: {error.strerror or error}",
                hint="HEADRACE_HOME names another place",
            ) from error
        process.leave_running(held, [self._listen(task.host, task.port)], self._env, account=who)

    def stop(self, task: Task) -> None:
        """Stop it."""
        if task.held.lock is not None:
            process.stop(task.held.lock)

    def forget(self, task: Task) -> None:
        """Nothing: nobody else read the files."""

    def note(self, task: Task) -> str:
        """Say what a reboot does."""
        scope = " --scope system" if task.scope is Scope.SYSTEM else ""
        return (
            "nothing on this machine starts the gateway again after a reboot: put "
            f"`headrace gateway --detach{scope}` into the profile or the container's entry point "
            "(`headrace run -- COMMAND` needs nothing of all this)"
        )
