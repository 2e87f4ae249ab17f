"""`headrace on --containers`: containers that nobody leads find a gateway on their bridge."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

from lib.gateway import headrace
from lib.serving.faults import large

from .conftest import Builder

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


def test_a_container_installs_from_mirrors_through_the_bridge(podman: Builder) -> None:
    with switched_on(podman) as told:
        assert not told["trouble"], told
        done = started(podman, "podman", "sh", "-c", _INSTALL)
        assert done.returncode == 0, done.stdout + done.stderr
        assert podman.own_words() < len(large().data) / 2
        podman.world.assert_polite()
    assert not (podman.root / "headrace" / "state" / "containers").exists()
