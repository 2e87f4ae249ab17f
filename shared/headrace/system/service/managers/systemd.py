"""systemd: a socket unit that holds the port, and a service that it starts.

The machine's service has a static account (sysusers.d) and not DynamicUser: the store is large and
must keep its owner across restarts without being re-owned, root's ``headrace on`` writes state that
the service reads, and the same account serves where there is no systemd. Never root.

CA and proxy settings are not in the units: the worker reads what ``on`` recorded in the state
folder, whoever keeps it up. ``gateway.env`` in the configuration folder is the administrator's, and
wins.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, Reader, Scope
from headrace.system.service import last_words
from headrace.system.service.managers import account
from headrace.system.service.managers.spec import ACCOUNT, ServiceSpec, copies
from headrace.system.service.process import holder_argv

__all__ = ["Systemd", "containers_unit", "quote", "service_unit", "sysusers"]

SOCKET = "headrace.socket"
SERVICE = "headrace.service"
CONTAINERS = "headrace-containers.service"
_TIMEOUT = 60.0

#: What needs no privilege, so that a user's own manager can do it as well.
_SANDBOX = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
#: Device files stay visible: the worker asks the GPUs what they are.
_SYSTEM_SANDBOX = """\
CapabilityBoundingSet=
AmbientCapabilities=
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
"""


def quote(word: str, *, command: bool = True) -> str:
    """Write one word as systemd.syntax(7), "Quoting", reads it.

    In a `command` a dollar begins a variable as well (systemd.service(5), "Command lines").
    """
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    text = text.replace("$", "$$") if command else text
    return f'"{text}"' if text != word or not text or set(" \t';") & set(text) else text


def socket_unit(spec: ServiceSpec) -> str:
    """Return the socket unit. It never gives up, however often the service fails."""
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    return f"""\
# Written by `headrace on`, removed by `headrace off`.
[Unit]
Description=headrace gateway: the port

[Socket]
ListenStream={host}:{spec.port}
Backlog=1024
NoDelay=yes
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""


def service_unit(spec: ServiceSpec) -> str:
    """Return the service unit."""
    system = spec.scope is Scope.SYSTEM
    command = " ".join(quote(word) for word in holder_argv(spec.held))
    after = f"{SOCKET} network.target nss-lookup.target" if system else SOCKET
    # This one is taken as it stands, but for the percent sign.
    own = str(spec.folders.config / "gateway.env").replace("%", "%%")
    sandbox = _SANDBOX + (_SYSTEM_SANDBOX if system else "")
    return f"""\
# Written by `headrace on`, removed by `headrace off`.
[Unit]
Description=headrace gateway: packages from the fastest sources at hand
Requires={SOCKET}
After={after}
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
TimeoutStartSec=90
TimeoutStopSec=30
WatchdogSec=90
KillMode=mixed
OOMPolicy=continue
EnvironmentFile=-{own}
UMask=0077
LimitNOFILE=65536
TasksMax=256
MemoryMax=1G
{_identity(spec) if system else ""}{sandbox}"""


def containers_unit(spec: ServiceSpec, command: Sequence[str]) -> str:
    """Return the unit of the gateway of containers, which opens its sockets itself: bridges come
    and go, and a socket unit would have to be written anew for each.
    """
    system = spec.scope is Scope.SYSTEM
    target = "multi-user.target" if system else "default.target"
    return f"""\
# Written by `headrace on --containers`, removed by `headrace off`.
[Unit]
Description=headrace gateway: for containers
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={" ".join(quote(word) for word in command)}
Restart=always
RestartSec=5
TimeoutStartSec=90
TimeoutStopSec=30
WatchdogSec=90
KillMode=mixed
UMask=0077
LimitNOFILE=65536
TasksMax=256
MemoryMax=1G
{_identity(spec) if system else ""}{_SANDBOX}{_SYSTEM_SANDBOX if system else ""}
[Install]
WantedBy={target}
"""


def _identity(spec: ServiceSpec) -> str:
    """The account, and where it may write."""
    lines = [f"User={ACCOUNT}", f"Group={ACCOUNT}"]
    if spec.folders.state == Path("/var/lib/headrace"):
        lines += ["StateDirectory=headrace", "StateDirectoryMode=0755"]
    else:
        lines += [f"ReadWritePaths={quote(str(spec.folders.state), command=False)}"]
    if spec.folders.cache == Path("/var/cache/headrace"):
        lines += ["CacheDirectory=headrace", "CacheDirectoryMode=0750"]
    else:
        lines += [f"ReadWritePaths={quote(str(spec.folders.cache), command=False)}"]
    at_home = any(
        Path(word).is_relative_to(home)
        for word in holder_argv(spec.held)
        for home in ("/home", "/root", "/run/user")
    )
    # An interpreter in somebody's home must stay readable, or the service cannot start.
    lines += [f"ProtectHome={'read-only' if at_home else 'yes'}"]
    return "\n".join(lines) + "\n"


def sysusers(spec: ServiceSpec) -> str:
    """Return the sysusers.d(5) entry of the account."""
    return (
        "# Written by `headrace on`, removed by `headrace off`; the account itself stays.\n"
        f'u {ACCOUNT} - "headrace gateway" {spec.folders.state} /usr/sbin/nologin\n'
    )


class Systemd:
    """A service manager: the system's manager or the user's own."""

    name = "systemd"

    def __init__(self, units: Path | None = None, accounts: Path | None = None) -> None:
        """`units` and `accounts` are the folders to write to, where not the usual ones."""
        self._units = units
        self._accounts = accounts or Path("/etc/sysusers.d")

    def folder(self, spec: ServiceSpec) -> Path:
        """Return where the units go (systemd.unit(5))."""
        if self._units is not None:
            return self._units
        if spec.scope is Scope.SYSTEM:
            return Path("/etc/systemd/system")
        return spec.home / ".config/systemd/user"

    def edits(self, spec: ServiceSpec, read: Reader) -> Sequence[FileEdit]:
        """Units, account, and the programs."""
        texts = {
            self.folder(spec) / SOCKET: (socket_unit(spec), "holds the port"),
            self.folder(spec) / SERVICE: (service_unit(spec), "runs the gateway on demand"),
        }
        if spec.scope is Scope.SYSTEM:
            path = self._accounts / "headrace.conf"
            texts[path] = (sysusers(spec), "the gateway's own account")
        edits = [
            FileEdit(path, read(path), text.encode(), reason)
            for path, (text, reason) in texts.items()
        ]
        return [*edits, *copies(spec, read, ("holder.py", "responder.py"))]

    def start(self, spec: ServiceSpec) -> None:
        """Load the units and open the port; what ran before with other settings is replaced."""
        if spec.scope is Scope.SYSTEM:
            account.ensure(ACCOUNT, spec.folders, self._accounts / "headrace.conf")
            account.let_read(spec.programs)
        self._control(spec, "daemon-reload")
        # A socket whose address changed must be closed before it is opened anew.
        self._control(spec, "stop", SERVICE, check=False)
        self._control(spec, "enable", SOCKET)
        self._control(spec, "restart", SOCKET)

    def containers_edit(self, spec: ServiceSpec, command: Sequence[str], read: Reader) -> FileEdit:
        """Describe the unit of the gateway of containers."""
        path = self.folder(spec) / CONTAINERS
        text = containers_unit(spec, command).encode()
        return FileEdit(path, read(path), text, "keeps up the gateway of containers")

    def start_containers(self, spec: ServiceSpec) -> None:
        """Load that unit and start it; one that runs is replaced."""
        self._control(spec, "daemon-reload")
        self._control(spec, "enable", CONTAINERS)
        self._control(spec, "restart", CONTAINERS)

    def stop_containers(self, spec: ServiceSpec) -> None:
        """Stop it, its file being there still."""
        self._control(spec, "disable", "--now", CONTAINERS, check=False)

    def stop(self, spec: ServiceSpec) -> None:
        """Close the port and end the gateway."""
        self._control(spec, "disable", "--now", SOCKET, check=False)
        self._control(spec, "stop", SERVICE, check=False)

    def forget(self, spec: ServiceSpec) -> None:
        """Read the units anew."""
        self._control(spec, "daemon-reload", check=False)

    def lasts(self, spec: ServiceSpec) -> bool:
        """A user's manager ends with the last session unless it lingers (loginctl(1))."""
        return spec.scope is Scope.SYSTEM or Path("/var/lib/systemd/linger", _user()).exists()

    def said(self, spec: ServiceSpec) -> str:
        """Ask the journal."""
        user = [] if spec.scope is Scope.SYSTEM else ["--user"]
        return last_words.of_journal([*user, "--unit", SERVICE])

    def note(self, spec: ServiceSpec) -> str:
        """Say until when it is up."""
        if self.lasts(spec):
            return ""
        return (
            "the gateway is up while you are logged in; for jobs that run without you: "
            "loginctl enable-linger"
        )

    def _control(self, spec: ServiceSpec, *words: str, check: bool = True) -> None:
        user = [] if spec.scope is Scope.SYSTEM else ["--user"]
        argv = [shutil.which("systemctl") or "systemctl", *user, *words]
        try:
            done = subprocess.run(  # noqa: S603 - systemctl
                argv, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
            why = done.stderr.strip() if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why and check:
            raise LocalError(
                "systemd-failed",
                f"{' '.join(argv)} failed: {why}",
                hint=f"`systemctl {' '.join(user)} status {SOCKET}` and the journal say more",
            )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
