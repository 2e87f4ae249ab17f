"""launchd: a property list whose socket launchd opens, for the user's own gateway."""

from __future__ import annotations

import os
import plistlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, Reader
from headrace.system.service import last_words
from headrace.system.service.managers.spec import ServiceSpec, copies
from headrace.system.service.process import holder_argv

__all__ = ["Launchd", "property_list"]

LABEL = "headrace.gateway"
SOCKET = "gateway"


def property_list(spec: ServiceSpec) -> dict[str, Any]:
    """Return the job as launchd.plist(5) has it."""
    python, *isolated, script = holder_argv(spec.held)[:4]
    rest = holder_argv(spec.held)[4:]
    starter = str(spec.programs / "launchd_sockets.py")
    log = str(spec.folders.state / "gateway.log")
    return {
        "Label": LABEL,
        "ProgramArguments": [python, *isolated, starter, SOCKET, script, *rest],
        "Sockets": {
            SOCKET: {
                "SockNodeName": spec.host,
                "SockServiceName": str(spec.port),
                "SockType": "stream",
                "SockFamily": "IPv6" if ":" in spec.host else "IPv4",
            }
        },
        # Started by the first connection, and again whenever it ends otherwise than on request.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 1,
        "ExitTimeOut": 30,
        "Umask": 0o077,
        "WorkingDirectory": "/",
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }


class Launchd:
    """A service manager: the user's own launchd domain."""

    name = "launchd"

    def path(self, spec: ServiceSpec) -> Path:
        """Return where the property list goes."""
        return spec.home / "Library/LaunchAgents" / f"{LABEL}.plist"

    def edits(self, spec: ServiceSpec, read: Reader) -> Sequence[FileEdit]:
        """The property list and the programs."""
        path = self.path(spec)
        text = plistlib.dumps(property_list(spec), sort_keys=False)
        edit = FileEdit(path, read(path), text, "launchd holds the port and starts the gateway")
        names = ("holder.py", "responder.py", "launchd_sockets.py")
        return [edit, *copies(spec, read, names)]

    def start(self, spec: ServiceSpec) -> None:
        """Load the job; one that was loaded before is replaced."""
        self.stop(spec)
        done = _launchctl("bootstrap", _domain(), str(self.path(spec)))
        if done:
            raise LocalError(
                "launchd-failed",
                f"launchctl bootstrap failed: {done}",
                hint=f"`launchctl print {_domain()}/{LABEL}` says more",
            )

    def stop(self, spec: ServiceSpec) -> None:  # noqa: ARG002 - the managers' signature
        """Unload the job."""
        _launchctl("bootout", f"{_domain()}/{LABEL}")

    def forget(self, spec: ServiceSpec) -> None:
        """Nothing: an unloaded job is forgotten."""

    def lasts(self, spec: ServiceSpec) -> bool:  # noqa: ARG002 - the managers' signature
        """An agent's socket is open while its user is logged in."""
        return False

    def said(self, spec: ServiceSpec) -> str:
        """Read the log."""
        return last_words.of_file(spec.folders.state / "gateway.log")

    def note(self, spec: ServiceSpec) -> str:  # noqa: ARG002 - the managers' signature
        """An agent lives in the login session."""
        return "the gateway is up while you are logged in"


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _launchctl(*words: str) -> str:
    """Return what went wrong, or "" ."""
    try:
        done = subprocess.run(  # noqa: S603 - launchctl
            ["/bin/launchctl", *words], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""
