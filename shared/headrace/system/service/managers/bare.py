"""No service manager: the holder, started apart from the terminal. Nothing restarts it at boot, but
the next shell of its user does (`shells`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from headrace.config import NETWORK_VARIABLES
from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, Reader, Scope
from headrace.system import folders
from headrace.system.service import last_words, listeners, process
from headrace.system.service.managers import account, shells
from headrace.system.service.managers.spec import ACCOUNT, ServiceSpec, copies

__all__ = ["Bare"]

#: What the gateway's own account inherits of root's environment.
INHERITED = ("PATH", "LANG", "TZ", *NETWORK_VARIABLES)


class Bare:
    """A service manager: the holder alone."""

    name = "holder"

    def __init__(self, env: Mapping[str, str]) -> None:
        """`env` is the environment of whoever wants the gateway."""
        self._env = env

    def edits(self, spec: ServiceSpec, read: Reader) -> Sequence[FileEdit]:
        """The programs; and what starts it again, where it is one user's."""
        programs = copies(spec, read, ("holder.py", "responder.py"))
        if spec.scope is Scope.SYSTEM:
            return programs
        shell = shells.login_shell(self._env)
        return [*programs, *shells.edits(spec, self._env, shell, read)]

    def start(self, spec: ServiceSpec) -> None:
        """Start it; one that runs already is replaced, for its settings may have changed."""
        self.stop(spec)
        who = ""
        if spec.scope is Scope.SYSTEM and os.geteuid() == 0:
            account.ensure(ACCOUNT, spec.folders)
            account.let_read(spec.programs)
            who = ACCOUNT
        held = replace(spec.held, log=spec.folders.state / "gateway.log")
        try:
            folders.make(spec.folders.state)
        except OSError as error:
            raise LocalError(
                "state-unwritable",
                f"{spec.folders.state} cannot be made: {error.strerror or error}",
                hint="HEADRACE_HOME names another place",
            ) from error
        env = (
            {name: self._env[name] for name in INHERITED if name in self._env} if who else self._env
        )
        process.leave_running(held, [listeners.bind(spec.host, spec.port)], env, account=who)

    def stop(self, spec: ServiceSpec) -> None:
        """Stop it."""
        if spec.held.lock is not None:
            process.stop(spec.held.lock)

    def forget(self, spec: ServiceSpec) -> None:
        """Nothing: nobody else read the files."""

    def lasts(self, spec: ServiceSpec) -> bool:  # noqa: ARG002 - the managers' signature
        """Nothing starts it at the boot."""
        return False

    def said(self, spec: ServiceSpec) -> str:
        """Read the log."""
        return last_words.of_file(spec.folders.state / "gateway.log")

    def note(self, spec: ServiceSpec) -> str:
        """Say what a reboot does."""
        if spec.scope is Scope.SYSTEM:
            return (
                "nothing on this machine starts the gateway again after a reboot: put `headrace "
                "gateway --detach --scope system` into the container's entry point (`headrace run "
                "-- COMMAND` needs nothing of all this)"
            )
        return (
            "after a reboot nothing on this machine starts the gateway but your next shell; where "
            "there is none (a container's entry point, cron) put `headrace gateway --wake` first "
            "(`headrace run -- COMMAND` needs nothing of all this)"
        )
