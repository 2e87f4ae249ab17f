"""Which engines run here, how they were started, what they say: real processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headrace_docker.engines import running as engines
from lib.capabilities import lacks
from lib.engines.machine import daemon
from lib.engines.small_daemon import NAME, running
from lib.places import place

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "reads /proc"))


def test_a_daemon_is_found_with_its_arguments_and_where_it_runs(tmp_path: Path) -> None:
    with running(tmp_path) as small:
        (found,) = [each for each in engines.daemons(NAME) if each.pid == small.process.pid]
        assert str(small.config) in found.arguments
        assert (found.mine, found.here, found.same_files) == (True, True, True)
        assert found.rootless is (os.getuid() != 0)
        assert engines.ask(str(small.socket), "/info") == {"Config": {"Mirrors": []}}
    assert engines.ask(str(small.socket), "/info") is None
    assert small.process.pid not in [each.pid for each in engines.daemons(NAME)]


def test_flags_are_read_in_both_spellings() -> None:
    found = daemon("-H", "fd://", "--host=unix:///x", "--debug", "-H")
    assert found.flags("-H", "--host") == ["fd://", "unix:///x"]
    assert found.flags("--pidfile") == []


def test_a_program_says_its_version_or_nothing(tmp_path: Path) -> None:
    def says(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    dockerd = says("dockerd", "echo Docker version 28.5.2+dfsg, build 1.2")
    assert engines.version(dockerd) == (28, 5, 2)
    assert engines.version(says("crio", "echo crio version v1.30")) == (1, 30)
    assert engines.version(says("broken", "exit 1")) == ()
    assert engines.version(tmp_path / "nobody") == ()


def test_a_daemons_program_is_found_beside_the_path(tmp_path: Path) -> None:
    assert engines.program(place(tmp_path, {"PATH": ""}), "mount") is not None
    assert engines.program(place(tmp_path, {"PATH": ""}), "no-such-program") is None
