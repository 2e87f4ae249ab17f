"""`headrace on --containers`: containers that nobody leads find a gateway on their bridge."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lib.gateway import headrace
from lib.serving.faults import large
from lib.waiting import until

from .conftest import Builder

#: What `doctor` asks of containers, without its other checks: offline they wait for a minute.
_CHECK = """\
import json, os
from headrace.cli.checks.containers import CHECKS
from headrace.cli.context import Context
context = Context(dict(os.environ))
found = [each.table() for check in CHECKS for each in check(context)]
print(json.dumps({"findings": found}))
"""
_INSTALL = "python3 -m pip install --no-cache-dir --no-compile large"


@contextlib.contextmanager
def switched_on(user: Builder) -> Iterator[dict[str, object]]:
    """Say `on --containers`, and `off` in the end."""
    # A variable would win over the file, and is nobody's who sets up a machine.
    del user.variables["PIP_INDEX_URL"]
    pip = user.root / "home" / ".config" / "pip" / "pip.conf"
    pip.parent.mkdir(parents=True)
    pip.write_text(f"[global]\nindex-url = {user.world.origin}\n")
    done = user.run(*headrace(), "on", "--containers", "--accept-shared-port", "--json")
    try:
        assert done.returncode in (0, 3), done.stderr + done.stdout
        yield json.loads(done.stdout)
    finally:
        off = user.run(*headrace(), "off")
        assert off.returncode == 0, off.stderr + off.stdout


def mounted(user: Builder, engine: str) -> str:
    """Return the one file that a container is given."""
    (path,) = (user.root / "headrace" / "state" / "containers" / "files" / engine).rglob("*.conf")
    return f"--volume={path}:/etc/pip.conf:ro"


def started(user: Builder, kind: str, *words: str) -> subprocess.CompletedProcess[str]:
    more = ("--runtime=runc", *user.options) if kind == "podman" else ()
    given = mounted(user, kind)
    return user.run(*user.engine, "run", "--rm", *more, given, "localhost/base", *words)


def looked(user: Builder, *words: str) -> dict[str, list[str]]:
    """Return what `doctor` says of containers, by level; the check alone, unless said."""
    told = json.loads(user.run(*(words or (sys.executable, "-c", _CHECK))).stdout)
    found: dict[str, list[str]] = {}
    for each in told["findings"]:
        if each["check"] == "containers":
            found.setdefault(each["level"], []).append(each["text"])
    return found


def worker_of(user: Builder) -> int:
    """Return the process that serves containers; waits until there is one."""
    lock = user.root / "headrace" / "state" / "containers" / "gateway.lock"

    def found() -> int:
        with contextlib.suppress(OSError, IndexError):
            return int(lock.read_text().splitlines()[1].split()[0])
        return 0

    return until(found)


def test_containers_install_from_mirrors_through_their_bridge_until_off(podman: Builder) -> None:
    with switched_on(podman) as told:
        assert not told["trouble"], told
        done = started(podman, "podman", "sh", "-c", _INSTALL)
        assert done.returncode == 0, done.stderr
        assert podman.own_words() < len(large().data) / 2
        podman.world.assert_polite()
        # The bridge went with the container, and comes back; the worker is another one then.
        os.kill(worker_of(podman), signal.SIGKILL)
        done = started(podman, "podman", "sh", "-c", _INSTALL)
        assert done.returncode == 0, done.stderr
        status = json.loads(podman.run(*headrace(), "status", "--json").stdout)["containers"]
        assert status["up"]
        assert [each["engine"] for each in status["networks"]] == ["podman"]
        assert set(looked(podman)) == {"ok"}
    assert not (podman.root / "headrace" / "state" / "containers").exists()
    assert json.loads(podman.run(*headrace(), "status", "--json").stdout)["containers"] is None


@pytest.mark.nightly
def test_a_network_that_came_later_is_told_by_doctor_and_served_after_on(podman: Builder) -> None:
    with switched_on(podman):
        podman.run("podman", "network", "create", "headrace-later").check_returncode()
        try:
            (warning,) = looked(podman, *headrace(), "doctor", "--json")["warning"]
            assert "headrace-later" in warning
            podman.run(*headrace(), "on", "--accept-shared-port")
            assert set(looked(podman)) == {"ok"}
            on_it = ("--network=headrace-later", "localhost/base", "sh", "-c", _INSTALL)
            given = (*podman.engine, "run", "--rm", "--runtime=runc", *podman.options)
            done = podman.run(*given, mounted(podman, "podman"), *on_it)
            assert done.returncode == 0, done.stderr
            assert podman.own_words() < len(large().data) / 2
        finally:
            podman.run("podman", "network", "rm", "-f", "headrace-later")


@pytest.mark.nightly
def test_dockers_containers_find_it_on_whichever_network(dockerd: Builder) -> None:
    docker = dockerd
    docker.run(*docker.engine, "network", "create", "app").check_returncode()
    with switched_on(docker) as told:
        assert not told["trouble"], told
        for network in ("bridge", "app"):
            options = ("--rm", f"--network={network}", mounted(docker, "docker"))
            words = (*docker.engine, "run", *options, "localhost/base", "sh", "-c", _INSTALL)
            done = docker.run(*words)
            assert done.returncode == 0, done.stderr
        assert docker.own_words() < len(large().data) / 2
