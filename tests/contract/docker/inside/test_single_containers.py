"""`headrace run -- docker run`, `podman run`: one container is led, as long as it runs."""

from __future__ import annotations

import pytest

from lib.gateway import headrace
from lib.serving.faults import large

from .conftest import Builder

pytestmark = pytest.mark.nightly
_INSTALL = "python3 -m pip install --no-cache-dir --no-compile large && ls -a /dev/headrace"


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_a_container_gets_its_files_from_mirrors(kind: str, request: pytest.FixtureRequest) -> None:
    user: Builder = request.getfixturevalue("podman" if kind == "podman" else "docker")
    more = ("--runtime=runc", *user.options) if kind == "podman" else ()
    words = (*user.engine, "run", "--rm", *more, "localhost/base", "sh", "-c", _INSTALL)
    done = user.run(*headrace(), "run", "--", *words)
    assert done.returncode == 0, done.stderr
    assert "authorities.pem" in done.stdout
    assert user.own_words() < len(large().data) / 2, done.stderr
    assert {s.headers["user-agent"].partition("/")[0] for s in user.world.pages.seen} == {
        "headrace"
    }
    user.world.assert_polite()


def test_a_container_that_goes_on_is_not_led_and_runs(podman: Builder) -> None:
    words = (*podman.engine, "run", "--runtime=runc", *podman.options, "--rm", "-d", "--net=none")
    done = podman.run(*headrace(), "run", "--", *words, "localhost/base", "env")
    assert done.returncode == 0, done.stderr
    assert "it goes on when this command has ended" in done.stderr
