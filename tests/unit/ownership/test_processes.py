"""The program at the other end of a connection, with real programs and real connections."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from headrace.ownership.processes import Program, program_at
from lib.capabilities import lacks
from lib.waiting import HANG

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=lacks("system", "Linux alone tells whose a connection is")
)

#: Connects to a port, and waits for an answer as a client does.
CLIENT = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
)
Ask = Callable[..., Program | None]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Start a client, and say what is told of it while it waits."""
    started: list[subprocess.Popen[bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def program(
            *words: str,
            before: tuple[str, ...] = (),
            python: str = sys.executable,
            env: Mapping[str, str] | None = None,
        ) -> Program | None:
            port = str(server.getsockname()[1])
            command = (*before, python, "-c", CLIENT, port, *words)
            started.append(subprocess.Popen(command, cwd=tmp_path, env=env))
            server.settimeout(HANG)
            connection, client = server.accept()
            with connection:
                return program_at(client, connection.getsockname())

        yield program
    for each in started:
        each.wait()


def test_program_that_waits_is_told_with_what_it_was_started_with(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"content")
    found = ask("a word", "\udcff", env={"SECRET": "no", "KNOWN": "ja=\xe4", "KNOWN_TOO": ""})
    assert found is not None
    assert found.arguments[0] == sys.executable
    assert found.arguments[-2:] == ("a word", "\udcff")
    assert found.working_directory == tmp_path
    assert found.executable == Path(sys.executable)
    assert found.runs == Path(sys.executable).resolve()
    assert [found.variable(name) for name in ("KNOWN", "KNOWN_TOO", "NOWN", "ANOTHER")] == [
        "ja=\xe4",
        "",
        None,
        None,
    ]
    assert found.read(Path("here")) == b"content"
    assert "here" in found.names(Path())
    assert "SECRET" not in repr(found)
    assert "a word" not in repr(found)


def test_interpreter_is_the_one_that_the_command_names(ask: Ask, tmp_path: Path) -> None:
    """A virtual environment's is a link; without a folder it is looked for on the PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "other").symlink_to(Path(sys.executable).resolve())
    path = {"PATH": str(tmp_path / "bin")}
    for python in ("other", "bin/other", str(tmp_path / "bin" / "other")):
        found = ask(before=("/usr/bin/env",), python=python, env=path)
        assert found is not None
        assert found.executable == tmp_path / "bin" / "other"
        assert found.runs == Path(sys.executable).resolve()


def test_nothing_is_told_of_a_connection_of_our_own() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert program_at(client.getsockname(), server.getsockname()) is None


def test_nothing_is_told_of_one_that_has_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [
            sys.executable,
            "-c",
            CLIENT.replace("s.recv(1)", ""),
            str(server.getsockname()[1]),
        ]
        with subprocess.Popen(words) as process:
            connection, client = server.accept()
            process.wait()
        with connection:
            assert program_at(client, connection.getsockname()) is None


def test_where_there_are_no_tables_nothing_is_told() -> None:
    assert program_at(("127.0.0.1", 1), ("127.0.0.1", 2), tables=lambda: ()) is None
    assert program_at(("", 1), ("nonsense", 2)) is None


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason=lacks("root", "to be another user")
)
def test_nothing_is_told_of_another_users_program(ask: Ask) -> None:
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if shutil.which(as_nobody[0]) is None:
        pytest.skip(lacks("packages", "setpriv (util-linux) is not here"))
    assert ask(before=as_nobody) is None


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason=lacks("root", "to make a namespace")
)
@pytest.mark.parametrize("how", ["--mount", "--root=/"])
def test_nothing_is_told_of_a_program_that_sees_other_files(ask: Ask, how: str) -> None:
    """A container with the host's network: its paths mean something else."""
    found = ask(before=("unshare", how))
    # Its own root at the same place is the same.
    assert (found is None) == (how == "--mount")
