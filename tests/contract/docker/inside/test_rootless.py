"""A rootless podman: which of its networks are led, and what is told of the others."""

from __future__ import annotations

import pytest

from lib.gateway import headrace
from lib.serving.faults import large

from .conftest import Builder

pytestmark = pytest.mark.nightly
_INSTALL = "python3 -m pip install --no-cache-dir --no-compile large"


def run_in(user: Builder, network: str) -> str:
    """Run pip in one container as `headrace run` leads it; return what was told."""
    words = (*user.engine, "run", "--rm", *user.options, f"--network={network}", "localhost/base")
    done = user.run(*headrace(), "run", "--", *words, "sh", "-c", _INSTALL)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_containers_get_their_files_from_mirrors_on_each_network(rootless: Builder) -> None:
    for network in ("slirp4netns", "podman", "host"):
        rootless.world.files.forget()
        told = run_in(rootless, network)
        assert rootless.own_words() < len(large().data) / 2, (network, told)
    rootless.world.assert_polite()


def test_steps_of_a_build_get_their_files_from_mirrors(rootless: Builder) -> None:
    for more in ((), ("--network=host",)):
        rootless.world.files.forget()
        done = rootless.build("led", "--no-cache", *more)
        assert done.returncode == 0, done.stderr
        assert rootless.own_words() < len(large().data) / 2, (more, done.stderr)
    rootless.world.assert_polite()


def test_what_has_no_way_out_is_told_and_runs_as_it_would(rootless: Builder) -> None:
    rootless.dockerfile("FROM localhost/base\nRUN env\n")
    done = rootless.build("led", "--no-cache", "--network=none")
    assert done.returncode == 0, done.stderr
    assert "no network" in done.stderr
    assert "HTTPS_PROXY" not in done.stdout
    rootless.run(*rootless.engine, "network", "create", "--internal", "inner").check_returncode()
    for network, why in (("none", "its network is none"), ("inner", "it is internal")):
        words = ("run", "--rm", *rootless.options, f"--network={network}", "localhost/base", "env")
        done = rootless.run(*headrace(), "run", "--", *rootless.engine, *words)
        assert done.returncode == 0, done.stderr
        assert why in done.stderr
        assert "HTTPS_PROXY" not in done.stdout
