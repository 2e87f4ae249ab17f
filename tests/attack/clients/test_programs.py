"""What a program can be started with, and the files that it names, cost little and hold up nobody.

Whoever starts it is the gateway's own user; what it was given may come from anywhere.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from headrace.interface import VariantRequest
from headrace.models import Document, Origin, ServeArtifact, ServeDocument
from headrace.ownership.processes import Program, program_at
from headrace_pip.index import environment
from headrace_pip.requested.closure import Closure, Index
from headrace_pip.requested.needs import ProjectNeed
from headrace_pip.requested.reading import BuildFamily, read
from headrace_pip.requested.requirement_files import RequirementFiles
from lib.capabilities import lacks
from lib.programs import started
from lib.waiting import HANG

linux = pytest.mark.skipif(
    sys.platform != "linux", reason=lacks("system", "Linux alone tells whose a connection is")
)
#: Connects to a port, and waits for an answer as a client does.
CLIENT = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
)
FAMILY = BuildFamily("torch", frozenset({"torch", "torchvision"}))
WHERE = environment.read(
    'pip/26.3 {"python":"3.11.9","implementation":{"name":"CPython"},"system":{"name":"Linux"}}'
)


def program_of(*words: str | bytes, env: Mapping[str, str] | None = None) -> Program | None:
    """Start a client with these words, and say what is told of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(HANG)
        port = str(server.getsockname()[1])
        with subprocess.Popen([sys.executable, "-c", CLIENT, port, *words], env=env):
            connection, client = server.accept()
            with connection:
                return program_at(client, connection.getsockname())


def request_of(program: Program) -> VariantRequest | None:
    """Read what pip was asked for, where no index answers."""
    assert WHERE is not None
    plan = ServeDocument(Origin("python", "https://i.test"), "https://i.test/x/", "", key="x")
    reading = read(
        VariantRequest("torch"), program, WHERE, FAMILY, Index(lambda _: plan, lambda *_: None)
    )
    try:
        plans = next(reading)
        while True:
            plans = reading.send([None] * len(plans))
    except StopIteration as ended:
        return ended.value.request if ended.value else None


@linux
def test_command_lines_that_are_too_long_tell_nothing() -> None:
    assert program_of(*["a"] * 12_000) is None
    assert program_of("a" * (100 << 10), "b" * (100 << 10), "c" * (100 << 10)) is None
    assert program_of(env={"A": "a" * (120 << 10)}) is not None
    assert program_of(env={f"A{n}": "a" * (120 << 10) for n in range(9)}) is None


@linux
def test_command_line_of_any_bytes_is_read_or_left_alone() -> None:
    found = program_of("pip", b"\xff\x01\x1b[2J", "", "\n")
    assert found is not None
    assert os.fsencode(found.arguments[-3]) == b"\xff\x01\x1b[2J"
    assert request_of(found) == VariantRequest("torch")
    for words in ((), ("",), ("pip",), ("pip", "install", "-"), ("python", "-m"), ("python", "-")):
        odd = Program(words, Path("/"), Path("/"), Path("/"))
        assert request_of(odd) is not None


@linux
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"")
    os.truncate(tmp_path / "large", 64 << 20)
    program = Program(("pip",), tmp_path, Path("/"), Path("/"))
    for name in ("pipe", "round", "device", "/dev/zero", ".", "large", "a" * 5000, "a\0b"):
        assert program.read(Path(name)) is None, name[:10]
        lines = ("pip", "install", "-r", name, "-c", name, "-e", name, f"./{name}.whl", "torch")
        told = request_of(Program(lines, tmp_path, Path("/"), Path("/")))
        assert told is not None
        assert told.specifier == "", name[:10]


def test_no_more_is_read_for_one_answer_than_its_bounds(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"a" * (4 << 20))
    program = Program(("pip",), tmp_path, Path("/"), Path("/"))
    read_all = [program.read(Path("some")) for _ in range(6)]
    assert [each is not None for each in read_all] == [True] * 4 + [False] * 2
    many = Program(("pip",), tmp_path, Path("/"), Path("/"))
    listed = [many.names(tmp_path) for _ in range(600)]
    assert listed[0] == ("some",)
    assert listed[-1] == ()


def test_files_that_name_each_other_twice_are_read_to_a_bound() -> None:
    """Thirty files that name the next one twice would be a thousand million lines."""
    files = {f"{n}.txt": f"-r {n + 1}.txt\n-r {n + 1}.txt\ntorch>=2\n" for n in range(30)}
    lines = RequirementFiles(started("pip", files))
    assert len(list(lines.read("0.txt", constraint=False))) < 5000
    assert not lines.whole


def test_requirements_without_end_are_followed_to_a_bound() -> None:
    """Each project requires the next one, and many more."""
    plan = ServeDocument(Origin("python", "https://i.test"), "https://i.test/x/", "", key="x")
    served: list[int] = []

    def metadata(page: ServeDocument, *_: object) -> ServeArtifact:
        return ServeArtifact("/a.metadata", page)

    closure = Closure([ProjectNeed("p0")], {}, FAMILY.members, Index(lambda _: plan, metadata), {})
    walk = closure.walk()
    plans = next(walk)
    try:
        while True:
            served.append(len(plans))
            n = len(served)
            more = "".join(f"Requires-Dist: p{n}-{each}>={n}\n" for each in range(100))
            body = f"Requires-Dist: p0>={n}\n{more}\n".encode()
            plans = walk.send([Document("", body, "text/plain")] * len(plans))
    except StopIteration:
        pass
    assert not closure.whole
    assert len(served) <= 200
