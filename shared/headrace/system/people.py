"""Who beside this user can run programs on this machine: facts of the system, no guesses.

Whoever can may listen on the gateway's port while this user's gateway is down. Root is nobody here:
it can do everything anyway. Counted are

- accounts of people: a number from UID_MIN on (login.defs(5)), a shell to log in with, a home that
  is there. Root sees more: an account without a password and without authorised keys logs in
  nowhere;
- a directory that may know more accounts than it lists (LDAP, winbind, NIS, sssd where it runs);
- the other users of a batch cluster;
- the host's users, where a container of Apptainer shares its network and does not show them.

A container in which nothing takes logins has nobody else in it, whatever accounts its image has:
whoever gets in is whoever runs the container. macOS and Windows are asked by their own programs,
which was not run on such systems (`headrace.ownership.other_systems`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.config import EnvVars
from headrace.foreign import whole_number
from headrace.ownership import other_systems
from headrace.ownership.programs import told_by
from headrace.system.accelerators import situation
from headrace.system.accelerators.host_view import HostView

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
#: Seconds for a program of macOS or Windows.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Others:
    """Who else there may be."""

    names: tuple[str, ...] = ()
    """Accounts."""
    because: str = ""
    """Why there may be more than can be listed; "" when there are not."""

    def __bool__(self) -> bool:
        """Whether there may be anybody."""
        return bool(self.names or self.because)

    def __str__(self) -> str:
        """Say it: ``alice and bob can log in here``."""
        told = []
        if self.names:
            few = " and ".join(self.names[:3])
            more = f" and {len(self.names) - 3} more" if len(self.names) > 3 else ""
            told.append(f"{few}{more} can log in here")
        if self.because:
            told.append(self.because)
        return "; ".join(told)


def others(host_view: HostView, uid: int | None = None) -> Others:
    """Return who else can run programs here. `uid` is this user's number, where not the process's.

    Windows has no such number, so there is none to give.
    """
    if host_view.platform == "win32":
        return _of_windows()
    uid = os.geteuid() if uid is None and sys.platform != "win32" else uid or 0
    if host_view.platform == "darwin":
        table = told_by("/usr/bin/dscl", ".", "-list", "/Users", "UniqueID", within=_PATIENCE)
        return Others(other_systems.dscl_people(table or "", uid))
    if host_view.env.get(EnvVars.APPTAINER_CONTAINER) or host_view.env.get(
        EnvVars.SINGULARITY_CONTAINER
    ):
        return Others(because="this container shares its network with a host of others")
    if situation.container(host_view) is not None and not _takes_logins(host_view):
        return Others()
    names = tuple(dict.fromkeys(_people(host_view, uid)))
    return Others(names, _more(host_view))


def _people(host_view: HostView, uid: int) -> Iterator[str]:
    least = _uid_min(host_view.text("/etc/login.defs") or "")
    locked = _locked(host_view)
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


def _more(host_view: HostView) -> str:
    if cluster := situation.batch(host_view):
        return f"this is a host of a cluster ({cluster}), where others have jobs"
    for line in (host_view.text("/etc/nsswitch.conf") or "").splitlines():
        name, _, rest = line.partition("#")[0].partition(":")
        if name.strip() != "passwd":
            continue
        for word in _databases(rest):
            if word in _LISTED or (word == "sss" and not _sssd_runs(host_view)):
                continue
            return f"accounts come from a directory ({word}), which does not list them all"
    return ""


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
