"""`headrace on`, real engines, and Docker Hub as it is: TLS, tokens, logins, a real registry."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.engines.lab import PORT, EngineLab, lab, needs
from lib.gateway import headrace
from lib.images.content import image
from lib.images.official_registry import LOGIN, MIRROR, Hub, start
from lib.waiting import HANG, until

pytestmark = needs("dockerd", "docker", "skopeo", "docker-registry", "openssl")

MB = 1 << 20
SECRET = base64.b64encode(LOGIN.encode()).decode()
SETTINGS = f"""\
catalogue = false

[[mirror]]
id = "near"
ecosystem = "docker"
url = "http://127.0.0.1:{MIRROR}"
layout = "registry"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[EngineLab]:
    with lab(tmp_path) as made:
        made.put("headrace/config/config.toml", SETTINGS)
        yield made


def switched_on(machine: EngineLab, *, private: tuple[str, ...] = ()) -> Hub:
    """Start Hub, dockerd, and headrace as a user would."""
    hub = start(machine, private=private)
    machine.start("dockerd", "--data-root", machine.root / "data")
    machine.wait("docker", "info")
    start_gateway(machine)
    assert machine.switch_on("system")["told"] == ["dockerd"]
    return hub


def start_gateway(machine: EngineLab) -> None:
    hub = "docker/docker.io=https://registry-1.docker.io"
    machine.start(*headrace(), "gateway", "--port", PORT, "--origin", hub)
    machine.wait("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}")


def log_in(machine: EngineLab) -> None:
    auths = {"auths": {"https://index.docker.io/v1/": {"auth": SECRET}}}
    machine.put("home/.docker/config.json", json.dumps(auths))


def pull(machine: EngineLab, name: str, *, check: bool = True) -> str:
    done = machine.run("docker", "pull", name, check=check)
    return done.stdout + done.stderr


def test_pull_costs_hub_one_question_and_no_byte(machine: EngineLab) -> None:
    hub = switched_on(machine)
    hello = hub.put("library/hello:v1", image(size=5 * MB))
    log_in(machine)
    hub.forget()
    assert hello.digest in pull(machine, "hello:v1")
    assert hub.pulls() == []
    assert hub.sent("hub") == 0
    assert {each["method"] for each in hub.seen("hub")} == {"HEAD"}
    # The gateway asks as a stranger; the user's login stays with the user's own engine.
    assert {each["who"] for each in hub.seen("hub") if each["status"] == 200} == {"stranger"}
    assert hub.sent("mirror") >= len(hello.layer.data)
    assert {each["shown"] for each in hub.seen("mirror")} == {""}
    assert "headrace" in hub.seen("mirror")[0]["agent"]


def test_private_image_comes_from_hub_with_the_users_own_login(machine: EngineLab) -> None:
    hub = switched_on(machine, private=("me/secret",))
    secret = hub.put("me/secret:v1", image("secret", size=MB))
    hub.forget()
    assert "secret" not in {each["path"] for each in hub.seen("mirror")}
    assert "unauthorized" in pull(machine, "me/secret:v1", check=False)
    log_in(machine)
    assert secret.digest in pull(machine, "me/secret:v1")
    assert {each["who"] for each in hub.seen("hub") if each["status"] == 200} == {"user"}
    assert hub.seen("mirror") == []


def test_push_goes_to_hub(machine: EngineLab) -> None:
    hub = switched_on(machine)
    hello = hub.put("library/hello:v1", image(size=MB))
    pull(machine, "hello:v1")
    log_in(machine)
    machine.run("docker", "tag", "hello:v1", "me/mine:v1")
    hub.forget()
    machine.run("docker", "push", "me/mine:v1")
    assert {each["who"] for each in hub.seen("hub") if each["status"] < 400} == {"user"}
    assert [each for each in hub.seen("hub") if each["method"] == "PUT"]
    assert hub.seen("mirror") == []
    # It is there, under the layer's own digest.
    machine.run("docker", "rmi", "me/mine:v1", "hello:v1")
    pull(machine, "me/mine:v1")
    assert hub.sent("mirror", hello.layer.digest) or hub.sent("mirror") == 0


@contextlib.contextmanager
def killed_midway(machine: EngineLab, hub: Hub) -> Iterator[subprocess.Popen[bytes]]:
    """Begin a pull, and kill the gateway while the layer is on its way."""
    hub.mood("mirror", rate=4 * MB)
    words = ("docker", "pull", "large:v1")
    with subprocess.Popen(machine.argv(words), env=machine.env, stdout=subprocess.PIPE) as pulling:
        until(lambda: [each for each in hub.seen("hub") if "large" in each["path"]])
        time.sleep(4)
        machine.run("pkill", "-KILL", "-f", "headrace gateway")
        yield pulling


def test_pull_goes_on_with_the_gateway_that_comes_after_a_kill(machine: EngineLab) -> None:
    hub = switched_on(machine)
    # Large enough that its engine has got some of it: smaller layers are checked first.
    large = hub.put("library/large:v1", image("large", size=72 * MB))
    hub.forget()
    with killed_midway(machine, hub) as pulling:
        start_gateway(machine)
        hub.mood("mirror")
        told = pulling.communicate(timeout=HANG)[0].decode()
    assert pulling.returncode == 0, told
    assert large.digest in told
    assert hub.pulls() == []
    assert hub.sent("hub") == 0


@pytest.mark.nightly
def test_pull_ends_at_hub_when_the_gateway_is_gone_for_good(machine: EngineLab) -> None:
    """dockerd tries a mirror that has gone five times, which takes it a minute."""
    hub = switched_on(machine)
    large = hub.put("library/large:v1", image("large", size=72 * MB))
    hub.forget()
    with killed_midway(machine, hub) as pulling:
        told = pulling.communicate(timeout=HANG)[0].decode()
    assert pulling.returncode == 0, told
    assert large.digest in told
    assert hub.sent("hub") >= len(large.layer.data) // 2


@pytest.mark.nightly
@pytest.mark.parametrize("size", [24, 96])
def test_full_disk_costs_no_pull(machine: EngineLab, size: int) -> None:
    cache = machine.root / "headrace" / "cache"
    machine.run("mkdir", "-p", cache)
    machine.run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", cache)
    hub = switched_on(machine)
    large = hub.put("library/large:v1", image("large", size=size * MB))
    assert large.digest in pull(machine, "large:v1")


@pytest.mark.nightly
def test_hub_that_counts_us_out_is_no_obstacle_while_the_tag_is_known(machine: EngineLab) -> None:
    hub = switched_on(machine)
    hello = hub.put("library/hello:v1", image(size=MB))
    pull(machine, "hello:v1")
    machine.run("docker", "rmi", "hello:v1")
    hub.mood("hub", status=429)
    time.sleep(31)  # as long as an answer stands without a question
    assert hello.digest in pull(machine, "hello:v1")
    told = machine.headrace("status", "--scope", "system", check=False).stdout
    assert "last known" in told
