"""A third party's plugin, installed from a wheel beside headrace: each hook's answer decides.

The plugin is `lib.acme_headrace`. It comes in by its entry point, as anybody's would.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.interface import hookspecs
from lib import acme_headrace, wheels
from lib.capabilities import lacks
from lib.gateway import Gateway, TestMirror
from lib.gpu.torch_family import family
from lib.index import JSON, Index
from lib.serving.servers import RecordingServer

HOOKS = {name for name in vars(hookspecs) if name.startswith("headrace_")}
ON_CAMPUS, IN_VAULT = b"a file of the campus", b"a file of the vault"
#: As pip says it of itself on this machine.
PIP = "pip/26.3 " + json.dumps(
    {
        "cpu": platform.machine(),
        "implementation": {"name": "CPython", "version": platform.python_version()},
        "python": platform.python_version(),
        "system": {"name": platform.system(), "release": "6.1"},
        "distro": {"libc": {"lib": "glibc", "version": "2.36"}},
    }
)


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_plugin_has_every_hook() -> None:
    assert {name for name in vars(acme_headrace) if name.startswith("headrace_")} == HOOKS


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the plugin's wheel into an environment that has headrace, and give its Python."""
    if not any(e.name == "pip" for e in importlib.metadata.entry_points(group="headrace")):
        pytest.skip(lacks("packages", "headrace itself is not installed, so no plugin is"))
    folder = tmp_path_factory.mktemp("acme")
    here = folder / "environment"
    venv.create(here, with_pip=False)
    script = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    source = Path(acme_headrace.__file__).read_bytes()
    points = b"[headrace]\nacme = acme_headrace\n"
    info = "acme_headrace-1.0.dist-info/entry_points.txt"
    files = {"acme_headrace/__init__.py": source, info: points}
    wheel = wheels.wheel("acme-headrace", "1.0", ["headrace"], files=files)
    (folder / wheel.name).write_bytes(wheel.data)
    install = [sys.executable, "-m", "pip", "--python", str(here / script), "install", "-q"]
    install += ["--no-index", "--no-deps", "--disable-pip-version-check", str(folder / wheel.name)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # headrace and what it needs are those of the tests.
    [site] = (here / "Lib/site-packages", *here.glob("lib/python*/site-packages"))[-1:]
    folders = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    lines = [f"import site; site.addsitedir({path!r})" for path in folders]
    (site / "headrace-of-the-tests.pth").write_text("\n".join(lines) + "\n", "utf-8")
    return here / script


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, RecordingServer]]:
    made = {n: RecordingServer(name=n) for n in ("origin", "private", "archive", "campus", "vault")}
    for server in made.values():
        server.__enter__()
        server.content[f"/{name_of(IN_VAULT)}"] = IN_VAULT
        server.content[f"/{name_of(ON_CAMPUS)}"] = ON_CAMPUS
        server.content["/search"] = b"found"
    del made["campus"].content[f"/{name_of(IN_VAULT)}"]
    made["private"].credential = ("acme", "of the origin")
    made["vault"].credential = ("acme", "of the vault")
    yield made
    for server in made.values():
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def gateway(
    python: Path,
    servers: dict[str, RecordingServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """Run the gateway for Acme's files; only `vault` is in the user's own settings."""
    root = tmp_path_factory.mktemp("gateway")
    made = Gateway(
        root,
        origins=[servers["origin"].url],
        named={"private": servers["private"].url},
        ecosystem="acme",
        mirrors=[
            TestMirror("vault", servers["vault"].url, "flat", ecosystem="acme", login=True, rank=99)
        ],
        env={
            "ACME_MIRRORS": " ".join(f"{n}={servers[n].url}" for n in ("archive", "campus")),
            "ACME_LOG": str(root / "acme.log"),
        },
    )
    made.command = [str(python), "-m", "headrace.cli"]
    # The plugin's mirrors are a catalogue like the shipped one, which has none for Acme.
    settings = root / "config" / "config.toml"
    settings.write_text(settings.read_text("utf-8").replace("catalogue = false\n", ""), "utf-8")
    with made:
        yield made


def test_ecosystem_of_the_plugin_is_served(gateway: Gateway) -> None:
    assert gateway.status()["plugins"]["left_out"] == {}
    assert "acme" in gateway.status()["plugins"]["in"]
    status, _, body = gateway.get("/acme/default/nothing")
    assert (status, body) == (404, b"headrace: Acme has no such path\n")


def test_order_of_the_plugin_decides_which_of_its_mirrors_are_asked(
    gateway: Gateway, servers: dict[str, RecordingServer]
) -> None:
    path = f"/{name_of(ON_CAMPUS)}"
    assert gateway.get(f"/acme/default{path}")[2] == ON_CAMPUS
    asked = {name for name, server in servers.items() if server.requests(path)}
    assert "campus" in asked
    assert "archive" not in asked


def test_login_of_the_plugin_opens_the_users_mirror_and_nobody_else_sees_it(
    gateway: Gateway, servers: dict[str, RecordingServer]
) -> None:
    path = f"/{name_of(IN_VAULT)}"
    assert gateway.get(f"/acme/default{path}")[2] == IN_VAULT
    assert servers["vault"].bytes_sent(path)
    for name in ("origin", "archive", "campus"):
        assert not any("authorization" in seen.headers for seen in servers[name].seen)


def test_credential_of_the_plugin_opens_the_origin(gateway: Gateway) -> None:
    assert gateway.get("/acme/private/search")[2] == b"found"


def test_watcher_of_the_plugin_hears_what_happens(gateway: Gateway) -> None:
    gateway.get(f"/acme/default/{name_of(ON_CAMPUS)}")
    log, line = gateway.root / "acme.log", f"TransferFinished {name_of(ON_CAMPUS)}\n"
    # It hears of it when the client has its answer already; the time limit is that of all tests.
    while not log.exists() or line not in log.read_text("utf-8"):
        time.sleep(0.01)


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the stand-in wheels of torch are those of Linux on x86_64",
)
def test_choice_of_the_plugin_for_a_card_that_it_found_decides_on_the_page(
    python: Path, tmp_path: Path
) -> None:
    index = Index()
    variants = family(index, "torch")
    with RecordingServer(name="origin") as origin, RecordingServer(name="files") as files:
        url = index.mount_origin(origin)
        named = {"pytorch": variants.mount(origin, files)}
        made = Gateway(tmp_path / "gateway", origins=[url], named=named)
        made.command = [str(python), "-m", "headrace.cli"]
        with made:
            page = made.get("/simple/torch/", {"Accept": JSON, "User-Agent": PIP})[2]
            [build] = made.status()["builds"]
    assert build["build"].endswith("+cpu"), build
    assert "the Acme One computes beside torch" in build["reason"]
    assert any("+cpu" in each["filename"] for each in json.loads(page)["files"])


# ------------------------------------------------------------------ the command line


@pytest.fixture
def ask(python: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a command of the environment and read its JSON."""

    def run(*words: str) -> Any:
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(tmp_path),
            "HEADRACE_HOME": str(tmp_path / "headrace"),
        }
        done = subprocess.run(
            [str(python), "-m", *words],
            capture_output=True,
            text=True,
            check=False,
            env=env,
            cwd=tmp_path,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return run


def test_card_of_the_plugin_is_found(ask: Callable[..., Any]) -> None:
    found = ask("headrace.system.accelerators")["accelerators"]
    assert acme_headrace.CARD.name in [each["name"] for each in found]


def test_check_of_the_plugin_is_told_of_the_card(ask: Callable[..., Any]) -> None:
    findings = ask("headrace.cli", "doctor", "--json")["findings"]
    assert [each["hint"] for each in findings if each["check"] == "acme"] == ["install it"]


def test_fix_of_the_plugin_is_shown_done_and_undone(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    path, fix = tmp_path / ".acme-runtime", "write .acme-runtime as version 2"
    path.write_bytes(acme_headrace.OLD)
    told = ask("headrace.cli", "doctor", "--fix", "--json")
    assert (fix, False) in [(each["what"], each["done"]) for each in told["fixes"]]
    assert path.read_bytes() == acme_headrace.OLD
    told = ask("headrace.cli", "doctor", "--fix", "--yes", "--json")
    assert (fix, True) in [(each["what"], each["done"]) for each in told["fixes"]]
    assert path.read_bytes() == acme_headrace.NEW
    assert not [each for each in told["findings"] if "version 1" in each["text"]]
    ask("headrace.cli", "off", "--json")
    assert path.read_bytes() == acme_headrace.OLD


def test_what_the_plugin_explains_is_told(
    gateway: Gateway, ask: Callable[..., Any], tmp_path: Path
) -> None:
    record = tmp_path / "headrace" / "state" / "gateway.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"host": "127.0.0.1", "port": gateway.port}), "utf-8")
    # What it proves itself with: this is the user whose gateway it is.
    secret = gateway.root / "state" / "secret"
    (record.parent / "secret").write_bytes(secret.read_bytes())
    told = ask("headrace.cli", "explain", "acme:thing", "--json")
    assert told["tools"] == {"acme": {"made": "thing"}}


def test_image_of_the_plugin_is_tried_by_it_and_by_nobody_else(ask: Callable[..., Any]) -> None:
    told = ask("headrace.cli", "image", "check", "acme.example/thing", "--json")
    assert told["tools"] == {"acme": {"standing": "done", "tried": True}}


def test_tool_of_the_plugin_would_be_pointed_at_the_gateway(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    told = json.dumps(ask("headrace.cli", "on", "--dry-run", "--json"))
    assert str(tmp_path / ".acme") in told
    assert not (tmp_path / ".acme").exists()


def test_tool_of_the_plugin_is_led_where_its_user_types_it(ask: Callable[..., Any]) -> None:
    assert "acmectl" in ask("headrace.cli", "shell", "bash", "--json")["tools"]


def test_builder_of_the_plugin_says_itself_why_it_is_not_led(python: Path, tmp_path: Path) -> None:
    words = [str(python), "-m", "headrace.cli", "build", "--", "acme-build", "thing"]
    program = tmp_path / "acme-build"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    env = {"PATH": path, "HOME": str(tmp_path), "HEADRACE_HOME": str(tmp_path / "headrace")}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 1
    assert "steps of acme-build have no network" in done.stderr
    assert "build it with podman" in done.stderr
