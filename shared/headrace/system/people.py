"""Who beside this user can run programs on this machine: facts of the system, no guesses.

Whoever can may listen on the gateway's port while this user's gateway is down. Root is nobody here:
it can do everything anyway. Counted are

- accounts of people: a number from UID_MIN on (login.defs(5)), a shell to log in with, a home that
  is there. Root sees more: an account without a password and without authorised keys logs in
  nowhere. To everybody else a program's account with a shell (Homebrew's, say) looks like a
  person's, and is called one that may;
- a directory that may know more accounts than it lists (LDAP, winbind, NIS, sssd where it runs);
- the other users of a batch cluster;
- the host's users, where a container shares its network and does not show them.

A container in which nothing takes logins has nobody else in it, whatever accounts its image has:
whoever gets in is whoever runs the container. Nor has a machine that its operator makes anew for
each job and for nobody else (`_OF_ONE_JOB`), whatever accounts its image has. macOS and Windows are
asked by their own programs, which was not run on such systems (`headrace.ownership.other_systems`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

from headrace.config import EnvVars
from headrace.foreign import whole_number
from headrace.ownership import other_systems
from headrace.ownership.programs import told_by
from headrace.system.accelerators import situation
from headrace.system.accelerators.host_view import HostView
from headrace.values import dataclass

__all__ = ["Others", "others"]

_UID_MIN = 1000
#: nobody (65534 and -2), and what systemd hands to services while they run (DynamicUser).
_SERVICES = (range(61184, 65520), range(65534, 65536), range(0xFFFFFFFE, 1 << 32))
#: Shells that let nobody in.
_NO_SHELLS = frozenset(("nologin", "false", "true", "sync", "halt", "shutdown", "git-shell"))
#: Databases of accounts that list everybody (nsswitch.conf(5)).
_LISTED = frozenset(("files", "compat", "systemd", "db", "altfiles", "extrausers", "mymachines"))
#: Programs that take logins.
_LOGINS = frozenset(
    ("sshd", "dropbear", "login", "agetty", "getty", "gdm", "gdm3", "sddm", "lightdm", "xrdp")
)
_INITS = frozenset(("systemd", "init", "runit", "s6-svscan", "openrc-init", "launchd"))
#: What says that the operator of a CI runs the job on a machine of its own, made for it alone; what
#: users run themselves says otherwise. GitHub's and Buildkite's documentation of these variables,
#: and the source of Azure's agent (``IsMSHosted``). GitLab and CircleCI have none that says so.
_OF_ONE_JOB = (
    (EnvVars.RUNNER_ENVIRONMENT, "github-hosted"),
    (EnvVars.AGENT_ISSELFHOSTED, "0"),
    (EnvVars.BUILDKITE_COMPUTE_TYPE, "hosted"),
)
#: Sockets that are in a network of a machine's and in no container's (unix(7): they are listed by
#: the network in which they were made).
_OF_A_MACHINE = (" /run/systemd/", " /run/udev/", " @/org/freedesktop/systemd1/")
#: The first of all namespaces of processes has this number (PROC_PID_INIT_INO of the kernel).
_FIRST_PROCESSES = "pid:[4026531836]"
#: Where Toolbx and Distrobox show the host's files.
_OF_THE_HOST = "/run/host"
#: Bytes of the kernel's list of them.
_MOST_SOCKETS = 8 << 20
#: Where sshd finds keys beside those in homes (sshd_config(5)).
_KEYS = frozenset(("authorizedkeyscommand", "authorizedkeysfile", "trustedusercakeys"))
#: Seconds for a program of macOS or Windows.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Others:
    """Who else there may be."""

    names: tuple[str, ...] = ()
    """Accounts."""
    because: str = ""
    """Why there may be more than can be listed; "" when there are not."""
    unsure: bool = False
    """Only root could see whether these accounts can log in."""

    def __bool__(self) -> bool:
        """Whether there may be anybody."""
        return bool(self.names or self.because)

    def __str__(self) -> str:
        """Say it: ``alice and bob can log in here``."""
        told = []
        if self.names:
            few = " and ".join(self.names[:3])
            more = f" and {len(self.names) - 3} more" if len(self.names) > 3 else ""
            may = "may" if self.unsure else "can"
            told.append(f"{few}{more} {may} log in here")
            if self.unsure:
                told[-1] += (
                    f" (`sudo passwd --status {self.names[0]}` says L where no password does)"
                )
        if self.because:
            told.append(self.because)
        return "; ".join(told)


def others(host_view: HostView, uid: int | None = None) -> Others:
    """Return who else can run programs here. `uid` is this user's number, where not the process's.

    Windows has no such number, so there is none to give.
    """
    if any(host_view.env.get(name) == value for name, value in _OF_ONE_JOB):
        return Others()
    if host_view.platform == "win32":
        return _of_windows()
    uid = os.geteuid() if uid is None and sys.platform != "win32" else uid or 0
    if host_view.platform == "darwin":
        table = told_by("/usr/bin/dscl", ".", "-list", "/Users", "UniqueID", within=_PATIENCE)
        return Others(other_systems.dscl_people(table or "", uid))
    if situation.container(host_view) is not None:
        there = _host_of(host_view)
        if there is None:
            return Others(because="this container shares its network with a host of others")
        if there is host_view and not _takes_logins(host_view):
            return Others()
        host_view = there
    names = tuple(dict.fromkeys(_people(host_view, uid)))
    return Others(names, _more(host_view), unsure=host_view.text("/etc/shadow") is None)


def _host_of(host_view: HostView) -> HostView | None:
    """Return where the accounts of those are who can take a port in a container's network: the
    container itself, its host where it shares the host's and shows its files, or None.
    """
    apptainer = host_view.env.get(EnvVars.APPTAINER_CONTAINER)
    shares = bool(apptainer or host_view.env.get(EnvVars.SINGULARITY_CONTAINER))
    if not shares and _in_a_machines_network(host_view):
        # Its own services, where it is as good as a machine, or the host's.
        shares = _sees_all_processes(host_view) or not _takes_logins(host_view)
    if not shares:
        return host_view
    there = replace(host_view, root=host_view.path(_OF_THE_HOST))
    return there if there.text("/etc/passwd") else None


def _sees_all_processes(host_view: HostView) -> bool:
    try:
        return str(host_view.path("/proc/self/ns/pid").readlink()) == _FIRST_PROCESSES
    except OSError:
        return False


def _in_a_machines_network(host_view: HostView) -> bool:
    """Whether services of a machine listen in this network, although none runs here."""
    try:
        with host_view.path("/proc/net/unix").open("rb") as file:
            sockets = file.read(_MOST_SOCKETS).decode("utf-8", "replace")
    except OSError:
        return False
    return any(word in sockets for word in _OF_A_MACHINE)


def _people(host_view: HostView, uid: int) -> Iterator[str]:
    least = _uid_min(host_view.text("/etc/login.defs") or "")
    locked = frozenset() if _keys_elsewhere(host_view) else _locked(host_view)
    for name, number, home, shell in _accounts(host_view):
        if number == uid or number < least or any(number in each for each in _SERVICES):
            continue
        program = shell or "/bin/sh"
        if program.rpartition("/")[2] in _NO_SHELLS or not host_view.exists(program):
            continue
        if not host_view.exists(home):
            continue
        if name in locked and not host_view.names(f"{home}/.ssh"):
            continue
        yield name


def _accounts(host_view: HostView) -> Iterator[tuple[str, int, str, str]]:
    """Give name, number, home and shell of each account that is listed."""
    for line in (host_view.text("/etc/passwd") or "").splitlines():
        words = line.split(":")
        if len(words) >= 7 and (number := whole_number(words[2])) is not None:
            yield words[0], number, words[5], words[6].strip()
    if sys.platform != "win32" and str(host_view.root) == "/":
        import pwd  # noqa: PLC0415 - not on Windows

        for entry in pwd.getpwall():
            yield entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_shell


def _uid_min(text: str) -> int:
    found = re.search(r"^UID_MIN[ \t]+([0-9]{1,9})\b", text, re.MULTILINE)
    return int(found[1]) if found else _UID_MIN


def _locked(host_view: HostView) -> frozenset[str]:
    """Return the accounts that no password opens (shadow(5)), as far as this user may see it."""
    rows = [line.split(":") for line in (host_view.text("/etc/shadow") or "").splitlines()]
    return frozenset(row[0] for row in rows if len(row) > 2 and row[1][:1] in ("!", "*"))


def _keys_elsewhere(host_view: HostView) -> bool:
    folder = "/etc/ssh/sshd_config.d"
    files = ["/etc/ssh/sshd_config", *(f"{folder}/{name}" for name in host_view.names(folder))]
    for line in "\n".join(host_view.text(file) or "" for file in files).splitlines():
        words = line.partition("#")[0].replace("=", " ").replace('"', " ").split()
        if words and words[0].lower() in _KEYS and any(word[0] == "/" for word in words):
            return True
    return False


def _more(host_view: HostView) -> str:
    if cluster := situation.batch(host_view):
        return f"this is a host of a cluster ({cluster}), where others have jobs"
    lines = (host_view.text("/etc/nsswitch.conf") or "").splitlines()
    pairs = (line.partition("#")[0].partition(":") for line in lines)
    asked = [rest for name, _, rest in pairs if name.strip() == "passwd"]
    # Where nothing is said, the C library asks as it always did.
    for word in _databases(" ".join(asked) if asked else "compat"):
        if word == "compat" and _asks_a_directory(host_view):
            return "accounts come from a directory (+ in /etc/passwd), which does not list them all"
        if word in _LISTED or (word == "sss" and not _sssd_runs(host_view)):
            continue
        return f"accounts come from a directory ({word}), which does not list them all"
    return ""


def _asks_a_directory(host_view: HostView) -> bool:
    """Whether the list of accounts itself names NIS, as a whole or for some (nsswitch.conf(5))."""
    return re.search(r"(?m)^\+", host_view.text("/etc/passwd") or "") is not None


def _databases(text: str) -> Iterator[str]:
    """Give the words of a line that name a database; ``[NOTFOUND=return]`` says what to do."""
    action = False
    for word in text.replace("[", " [ ").replace("]", " ] ").split():
        if word in ("[", "]"):
            action = word == "["
        elif not action:
            yield word


def _sssd_runs(host_view: HostView) -> bool:
    """Some distributions name it whether or not it is set up."""
    return any(host_view.exists(path) for path in ("/run/sssd.pid", "/etc/sssd/sssd.conf"))


def _takes_logins(host_view: HostView) -> bool:
    """Whether a container is as good as a machine: an init runs it, or something lets people in."""
    if (host_view.text("/proc/1/comm") or "") in _INITS:
        return True
    running = (host_view.text(f"/proc/{pid}/comm") for pid in host_view.names("/proc"))
    return any(name in _LOGINS for name in running if name)


def _of_windows() -> Others:
    """Not run by us on such a system."""
    script = ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", other_systems.PEOPLE)
    found = other_systems.windows_people(told_by(*script, within=_PATIENCE) or "")
    if found is None:
        return Others(because="Windows does not say who can log in here")
    names, domain = found
    because = "this machine belongs to a domain, whose users can log in" if domain else ""
    return Others(names, because)
