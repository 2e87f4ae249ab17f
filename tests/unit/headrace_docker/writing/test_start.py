"""The start program of a written image, run as a container runs it, but for the container."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_docker.writing.inside import start
from lib.waiting import HANG

PROGRAM = Path(start.__file__)
#: In Jupyter's place: says what it was given, then does what it is told.
JUPYTER = """#!{python}
import os, signal, sys, time
print("[W 2026-11-30 12:00:00.000 ServerApp] said \\"so\\"", flush=True)
token = open(os.environ["JUPYTER_TOKEN_FILE"]).read()
print("token", token, "JUPYTER_TOKEN" in os.environ, flush=True)
sys.stdout.buffer.write(b"odd \\xff\\n")
print(*sys.argv[1:], flush=True)
{then}
"""
WAITS = "time.sleep(1000)"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1000)"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path


def put(home: Path, then: str) -> None:
    path = home / "bin" / "jupyter"
    path.write_text(JUPYTER.format(python=sys.executable, then=then))
    path.chmod(0o755)


def command(*words: str) -> list[str]:
    return [sys.executable, "-I", str(PROGRAM), *words]


def variables(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": f"{home}/bin:{os.environ['PATH']}", "HOME": str(home), **more}


@contextlib.contextmanager
def begun(home: Path, *before: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    words, env = [*before, *command()], variables(home, **more)
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, errors="replace") as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str], last: str) -> Iterator[str]:
    """What it says, up to a line that has `last` in it."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip("\n")
        if last in line:
            return
    raise AssertionError(last)


def ended(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        env=variables(home, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        errors="replace",
        timeout=HANG,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sh", "-c", "exit 42"), 42),
        (("sh", "-c", "kill -TERM $$"), -signal.SIGTERM),
        (("no-such-program",), 127),
        (("/",), 126),
    ],
)
def test_exit_code_of_a_command_is_its_own(home: Path, words: tuple[str, ...], code: int) -> None:
    assert ended(home, *words, START_SERVICES="jupyter ssh").returncode == code


def test_command_gets_the_signals_as_they_were_before_python(home: Path) -> None:
    words = ("sh", "-c", "grep SigIgn /proc/self/status; grep SigBlk /proc/self/status")
    told = dict(line.split(":\t") for line in ended(home, *words).stdout.splitlines())
    assert not int(told["SigIgn"], 16) & (1 << (signal.SIGPIPE - 1))
    assert int(told["SigBlk"], 16) == 0


def test_entry_program_of_the_base_comes_before_the_command_and_only_where_it_is(
    home: Path,
) -> None:
    wrapper = home / "bin" / "wrapper"
    assert ended(home, "echo", "x", START_WRAPPER=str(wrapper)).stdout == "x\n"
    wrapper.write_text('#!/bin/sh\necho wrapped\nexec "$@"\n')
    wrapper.chmod(0o755)
    assert ended(home, "echo", "x", START_WRAPPER=str(wrapper)).stdout == "wrapped\nx\n"


def test_token_is_a_new_one_at_each_start_printed_and_in_no_argument(home: Path) -> None:
    put(home, "sys.exit(0)")
    tokens = set()
    for _ in range(2):
        done = ended(home, START_SERVICES="jupyter")
        said = done.stdout.splitlines()
        token = next(line.split()[1] for line in said if line.startswith("token "))
        assert f"http://127.0.0.1:8888/lab?token={token}" in done.stdout
        assert not any(token in line for line in said if line.startswith("lab "))
        assert len(token) >= 32
        tokens.add(token)
    assert len(tokens) == 2
    assert (home / ".start" / "jupyter-token").stat().st_mode & 0o777 == 0o600


def test_token_that_was_given_is_taken_and_never_printed_by_us(home: Path) -> None:
    put(home, "sys.exit(0)")
    done = ended(home, START_SERVICES="jupyter", JUPYTER_TOKEN="mine-alone\n")
    assert "token mine-alone False" in done.stdout
    assert [line for line in done.stdout.splitlines() if "mine-alone" in line] == [
        "token mine-alone False"
    ]


def test_sigterm_ends_all_with_0_and_a_service_that_ends_by_itself_with_its_code(
    home: Path,
) -> None:
    put(home, WAITS)
    with begun(home, START_SERVICES="jupyter") as process:
        list(lines(process, "lab "))
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == 0
    put(home, "sys.exit(7)")
    done = ended(home, START_SERVICES="jupyter")
    assert done.returncode == 7
    assert "jupyter ended with 7: the container ends, too" in done.stdout
    put(home, "sys.exit(0)")
    # Nothing is served any more, which is not what was asked for.
    assert ended(home, START_SERVICES="jupyter").returncode == 1


def test_service_that_is_deaf_to_sigterm_is_killed_in_the_end(home: Path) -> None:
    put(home, DEAF)
    with begun(home, START_SERVICES="jupyter") as process:
        list(lines(process, "deaf"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == 0


def test_without_services_it_waits_for_the_end_also_as_the_first_process(home: Path) -> None:
    if os.geteuid():
        pytest.skip("root: a first process needs a namespace of its own")
    with begun(home, "unshare", "--pid", "--fork", "--kill-child") as process:
        list(lines(process, "nothing to start"))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        os.kill(int(children.read_text().split()[0]), signal.SIGTERM)
        assert process.wait(HANG) == 0


def test_logs_as_json_are_one_object_a_line_whatever_a_service_says(home: Path) -> None:
    put(home, "sys.exit(3)")
    done = ended(home, START_SERVICES="jupyter", START_LOGS="json")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    keys = {"@timestamp", "log.level", "message", "service.name", "ecs.version"}
    assert all(each.keys() == keys for each in said)
    told = [(each["service.name"], each["log.level"], each["message"]) for each in said]
    assert ("jupyter", "warn", 'said "so"') in told
    assert ("jupyter", "info", "odd \ufffd") in told
    assert ("start", "error", "jupyter ended with 3: the container ends, too") in told


def test_without_a_home_of_its_own_a_process_gets_one_and_a_name(home: Path) -> None:
    if os.geteuid():
        pytest.skip("root: another user has no account")
    # Where it lies another user may have no way to it.
    mine = home / "start.py"
    mine.write_bytes(PROGRAM.read_bytes())
    mine.chmod(0o644)
    words = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    words += [sys.executable, "-I", str(mine)]
    temporary = home / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    for folder in (home, *home.parents):
        if folder.stat().st_mode & 0o001 == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    env = {**variables(home, TMPDIR=str(temporary)), "HOME": "/"}
    done = subprocess.run(
        [*words, "sh", "-c", "touch $HOME/x && echo $HOME $USER $LOGNAME"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [f"{temporary}/home-54321", "user54321", "user54321"], done.stderr


def test_ssh_without_a_key_is_told_what_to_give_and_a_private_one_is_refused(home: Path) -> None:
    program = home / "bin" / "sshd"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    put(home, WAITS)
    done = ended(home, START_SERVICES="jupyter ssh")
    assert done.returncode == 1
    assert "AUTHORIZED_KEYS" in done.stdout
    assert "token" not in done.stdout
    done = ended(home, START_SERVICES="ssh", AUTHORIZED_KEYS="-----BEGIN OPENSSH PRIVATE KEY-----")
    assert done.returncode == 1
    assert "give the public one" in done.stdout


def test_sessions_have_the_images_variables_and_no_secret_of_the_servers() -> None:
    environment = {
        "PATH": "/opt/conda/bin:/usr/bin",
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib",
        "A": "b c=d",
        "JUPYTER_TOKEN": "secret",
        "HOME": "/home/me",
        "QUOTED": 'a"b',
        "LINES_": "a\nPermitRootLogin yes",
    }
    assert start.for_sessions(environment) == [
        '"A=b c=d"',
        '"LD_LIBRARY_PATH=/usr/local/nvidia/lib"',
        '"PATH=/opt/conda/bin:/usr/bin"',
    ]


def test_what_is_no_public_key_lets_nobody_in_and_is_said(home: Path) -> None:
    program = home / "bin" / "sshd"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    for given in ("~/.ssh/id_ed25519.pub", "# ssh-ed25519 " + "A" * 60, "ssh-ed25519"):
        done = ended(home, START_SERVICES="ssh", AUTHORIZED_KEYS=given)
        assert done.returncode == 1
        assert "is no public key" in done.stdout
    for kind in ("ssh-ed25519", 'from="10.0.0.0/8" ssh-rsa', "sk-ssh-ed25519@openssh.com"):
        assert start.PUBLIC_KEY.search(f"# mine\n{kind} AAAAC3NzaC1lZDI1NTE5AAAAIHO1 me@host")


def test_line_of_any_length_is_told_in_objects_that_no_engine_cuts(home: Path) -> None:
    # Characters of three bytes, quotes, and no end of the line; read as it comes, not at the end.
    text = "[E 2026-11-30 12:00:00.000 ServerApp] " + 'é"語' * 20_000
    put(home, f"sys.stdout.buffer.write({text!r}.encode() + b'\\xff'); sys.exit(3)")
    done = subprocess.run(
        command(),
        env=variables(home, START_SERVICES="jupyter", START_LOGS="json"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG,
        check=False,
    )
    told = done.stdout.splitlines()
    assert max(map(len, told)) < 16 << 10
    parts = [json.loads(line) for line in told]
    long = [each for each in parts if "語" in each["message"]]
    assert "".join(each["message"] for each in long) == 'é"語' * 20_000 + "\ufffd"
    assert {each["log.level"] for each in long} == {"error"}
    assert done.stderr == b""


def test_each_line_is_one_object_where_two_services_speak_at_once(home: Path) -> None:
    def then(mine: str, other: str) -> str:
        # Neither ends before the other has said all.
        return (
            "[print('x' * 6000, flush=True) for _ in range(300)]\n"
            f"open({str(home / mine)!r}, 'w').close()\n"
            f"while not os.path.exists({str(home / other)!r}): time.sleep(0.01)\n"
            "sys.exit(3)"
        )

    put(home, then("one", "two"))
    program = home / "bin" / "sshd"
    program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{then('two', 'one')}\n")
    program.chmod(0o755)
    (home / "bin" / "ssh-keygen").write_text('#!/bin/sh\nfor f; do :; done; touch "$f" "$f.pub"\n')
    (home / "bin" / "ssh-keygen").chmod(0o755)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHO1"
    more = {"START_SERVICES": "jupyter ssh", "START_LOGS": "json", "AUTHORIZED_KEYS": key}
    with begun(home, **more) as process:
        assert process.stdout is not None
        if sys.platform == "linux":
            # One line does not fit in, so that whoever writes it has to wait in the middle.
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        names = [json.loads(line)["service.name"] for line in process.stdout]
    assert {"jupyter", "ssh"} <= set(names)


def test_secret_that_cannot_be_read_is_told_with_whose_it_has_to_be(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def closed(path: Path, **_: str) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(SystemExit):
        start.secret("jupyter_token", "JUPYTER_TOKEN")
    assert "it has to be that user's" in capfd.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(start, "SECRETS", home)
    (home / "jupyter_token").mkdir()
    monkeypatch.setenv("JUPYTER_TOKEN", "given")
    assert start.secret("jupyter_token", "JUPYTER_TOKEN") == "given"


def test_services_that_are_not_known_are_named(home: Path) -> None:
    done = ended(home, START_SERVICES="jupyter telnet")
    assert done.returncode == 1
    assert "telnet" in done.stdout


def test_health_is_that_somebody_listens(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(home, "health", START_SERVICES="").returncode == 0
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setattr(start, "SSH_PORT", server.getsockname()[1])
        assert start.health(["ssh"]) == 1
        server.listen()
        assert start.health(["ssh"]) == 0
