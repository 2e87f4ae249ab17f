"""Who else can run programs on a machine, told from folders that describe machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.system.accelerators.host_view import HostView
from headrace.system.people import Others, others

ME = 1000
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
me:x:1000:1000::/home/me:/bin/bash
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
headrace:x:998:998::/var/lib/headrace:/usr/sbin/nologin
"""
BOB = "bob:x:1001:1001::/home/bob:/bin/zsh\n"


class Machine:
    """A machine as a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for shell in ("bash", "zsh", "sh"):
            self.write(f"bin/{shell}")
        for home in ("root", "home/me", "home/bob", "var/lib/headrace"):
            (root / home).mkdir(parents=True)
        self.write("etc/passwd", PASSWD)
        self.write("etc/nsswitch.conf", "passwd: files systemd\n")
        self.write("proc/1/comm", "systemd\n")

    def write(self, name: str, text: str = "") -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def others(self, uid: int = ME, **env: str) -> Others:
        return others(HostView(env, self.root, platform="linux", programs=""), uid)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "", "-1", "x"])
def test_an_account_without_a_number_is_nobody(tmp_path: Path, number: str) -> None:
    machine = Machine(tmp_path)
    machine.write("etc/passwd", PASSWD + BOB.replace("1001", number, 1))
    assert machine.others().names == ()


def test_a_machine_with_one_person_has_no_others(machine: Machine) -> None:
    assert not machine.others()
    assert machine.others(uid=0).names == ("me",)  # to root, that person is one


def test_another_account_of_a_person_is_another_person(machine: Machine) -> None:
    machine.write("etc/passwd", PASSWD + BOB)
    found = machine.others()
    assert found.names == ("bob",)
    assert str(found) == "bob can log in here"


@pytest.mark.parametrize(
    "line",
    [
        "svc:x:1001:1001::/home/bob:/usr/sbin/nologin\n",
        "svc:x:1001:1001::/home/bob:/bin/false\n",
        "svc:x:1001:1001::/home/bob:/bin/shell-that-is-not-there\n",
        "svc:x:1001:1001::/home/nowhere:/bin/bash\n",
        "svc:x:999:999::/home/bob:/bin/bash\n",
        "dynamic:x:61999:61999::/home/bob:/bin/bash\n",
        "no line\n:::\nbob:x:many:1::/home/bob:/bin/bash\n",
    ],
)
def test_what_nobody_logs_in_to_is_nobody(machine: Machine, line: str) -> None:
    machine.write("etc/passwd", PASSWD + line)
    assert not machine.others()


def test_the_machine_s_own_first_number_counts(machine: Machine) -> None:
    machine.write("etc/passwd", PASSWD + BOB.replace("1001", "500"))
    assert not machine.others()
    machine.write("etc/login.defs", "# UID_MIN 1\nUID_MIN\t\t  500\nUID_MAX 60000\n")
    assert machine.others().names == ("bob",)


def test_root_sees_who_has_neither_password_nor_key(machine: Machine) -> None:
    machine.write("etc/passwd", PASSWD + BOB)
    machine.write("etc/shadow", "me:$y$x:1::::::\nbob:!:1::::::\n")
    assert machine.others(uid=0).names == ("me",)
    machine.write("home/bob/.ssh/authorized_keys", "ssh-ed25519 A")
    assert machine.others(uid=0).names == ("me", "bob")


@pytest.mark.parametrize("word", ["ldap", "winbind", "nis", "sss", "oslogin"])
def test_a_directory_may_know_more(machine: Machine, word: str) -> None:
    machine.write("etc/nsswitch.conf", f"group: files\npasswd: files {word} [NOTFOUND=return]\n")
    machine.write("run/sssd.pid", "7\n")
    found = machine.others()
    assert not found.names
    assert f"({word})" in found.because


def test_a_directory_that_is_named_and_not_set_up_knows_nobody(machine: Machine) -> None:
    machine.write("etc/nsswitch.conf", "passwd: sss files systemd\n")
    assert not machine.others()


def test_a_cluster_s_host_is_shared(machine: Machine) -> None:
    assert "Slurm" in machine.others(SLURM_CONF="/etc/slurm.conf").because


def test_nobody_else_is_in_a_container_that_takes_no_logins(machine: Machine) -> None:
    machine.write("etc/passwd", PASSWD + BOB)
    machine.write(".dockerenv")
    assert machine.others().names == ("bob",)  # an init runs it, as in a machine
    machine.write("proc/1/comm", "python3\n")
    assert not machine.others()
    machine.write("proc/77/comm", "sshd\n")
    assert machine.others().names == ("bob",)


def test_a_container_in_its_host_s_network_is_shared(machine: Machine) -> None:
    machine.write("proc/1/comm", "bash\n")
    assert "host of others" in machine.others(APPTAINER_CONTAINER="/image.sif").because


def test_many_are_counted() -> None:
    told = str(Others(("a", "b", "c", "d", "e"), "and a directory"))
    assert told == "a and b and c and 2 more can log in here; and a directory"
