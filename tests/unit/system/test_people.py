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
        return others(self.view(env), uid)

    def view(self, env: dict[str, str]) -> HostView:
        return HostView(env, self.root, platform="linux", programs="")


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
    assert str(found).startswith("bob may log in here (`sudo passwd --status bob` says L where ")
    machine.write("etc/shadow", "me:$y$x:1::::::\nbob:$y$x:1::::::\n")
    assert str(machine.others(uid=0)) == "me and bob can log in here"


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


@pytest.mark.parametrize(
    ("line", "elsewhere"),
    [
        ("AuthorizedKeysFile /etc/ssh/keys/%u", True),
        ("authorizedkeysfile .ssh/authorized_keys /etc/ssh/keys/%u", True),
        ("  AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys", True),
        ("TrustedUserCAKeys=/etc/ssh/ca.pub", True),
        ("AuthorizedKeysFile %h/.ssh/authorized_keys .ssh/authorized_keys2", False),
        ("#AuthorizedKeysCommand /usr/bin/x", False),
        ("AuthorizedKeysCommand none # /usr/bin/x", False),
    ],
)
def test_keys_that_are_in_no_home_open_accounts_without_a_password(
    machine: Machine, line: str, *, elsewhere: bool
) -> None:
    machine.write("etc/passwd", PASSWD + BOB)
    machine.write("etc/shadow", "me:$y$x:1::::::\nbob:!:1::::::\n")
    machine.write("etc/ssh/sshd_config.d/50-keys.conf", f"Port 22\n{line}\n")
    assert machine.others(uid=0).names == (("me", "bob") if elsewhere else ("me",))


@pytest.mark.parametrize(
    ("name", "hosted", "own"),
    [
        ("RUNNER_ENVIRONMENT", "github-hosted", "self-hosted"),
        ("AGENT_ISSELFHOSTED", "0", "1"),
        ("BUILDKITE_COMPUTE_TYPE", "hosted", "self-hosted"),
    ],
)
def test_a_machine_that_is_made_for_one_job_is_nobody_else_s(
    machine: Machine, name: str, hosted: str, own: str
) -> None:
    machine.write("etc/passwd", PASSWD + BOB.replace("bob", "packer", 1))
    assert not others(machine.view({name: hosted}), ME)
    assert others(machine.view({name: own}), ME).names == ("packer",)
    assert machine.others(CI="true", GITHUB_ACTIONS="true").names == ("packer",)


@pytest.mark.parametrize("line", ["+::::::", "+@staff::::::", "+carol::::::"])
def test_a_list_of_accounts_may_name_a_directory(machine: Machine, line: str) -> None:
    machine.write("etc/passwd", PASSWD + line + "\n")
    assert not machine.others()  # "files" does not look at it
    for text in ("passwd: compat\n", "passwd: compat systemd\n", "group: files\n"):
        machine.write("etc/nsswitch.conf", text)
        assert "(+ in /etc/passwd)" in machine.others().because
    machine.write("etc/passwd", PASSWD)
    assert not machine.others()


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


SOCKETS = "Num RefCount Protocol Flags Type St Inode Path\n"
NOTIFY = "0000: 00000002 00000000 00000000 0002 01 17843 /run/systemd/notify\n"


def test_a_container_in_its_host_s_network_sees_the_host_s_services(machine: Machine) -> None:
    """``docker run --network host``: the accounts in the image are not those of the host."""
    machine.write(".dockerenv")
    machine.write("proc/1/comm", "python3\n")
    machine.write("proc/net/unix", SOCKETS + "0000: 2 0 0 0002 01 9 /var/run/postgresql/x\n")
    assert not machine.others()
    machine.write("proc/net/unix", SOCKETS * 4000 + NOTIFY)
    assert "host of others" in machine.others().because


def test_a_container_that_is_as_good_as_a_machine_has_services_of_its_own(machine: Machine) -> None:
    machine.write("run/systemd/container", "lxc")
    machine.write("proc/net/unix", SOCKETS + NOTIFY)
    assert not machine.others()
    machine.write("etc/passwd", PASSWD + BOB)
    assert machine.others().names == ("bob",)


def test_a_container_that_shows_its_host_shares_it_with_the_host_s_users(machine: Machine) -> None:
    """As Toolbx makes them: network, processes and files are the host's."""
    machine.write("run/.containerenv")
    machine.write("proc/net/unix", SOCKETS + NOTIFY)
    (machine.root / "proc/self/ns").mkdir(parents=True)
    (machine.root / "proc/self/ns/pid").symlink_to("pid:[4026531836]")
    assert "host of others" in machine.others().because
    for name in ("bin/zsh", "home/bob/x", "home/me/x", "bin/bash"):
        machine.write(f"run/host/{name}")
    machine.write("run/host/etc/passwd", PASSWD)
    assert not machine.others()
    machine.write("run/host/etc/passwd", PASSWD + BOB)
    assert machine.others().names == ("bob",)


def test_many_are_counted() -> None:
    told = str(Others(("a", "b", "c", "d", "e"), "and a directory"))
    assert told == "a and b and c and 2 more can log in here; and a directory"
