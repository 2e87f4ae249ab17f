"""Through the gateway against the index that pip uses on this machine. Needs the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.clients import PIPS, UVS, Environment, Installer, Pip, make_client
from lib.gateway import Gateway
from lib.waiting import HANG

pytestmark = pytest.mark.network
SURROUNDINGS = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def surroundings() -> dict[str, str]:
    return {name: os.environ[name] for name in SURROUNDINGS if name in os.environ}


def index_of_this_machine() -> str:
    """Ask pip for its index: what is configured, else its own default."""
    command = [sys.executable, "-m", "pip"]
    found = subprocess.run(
        [*command, "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    if found.returncode == 0 and found.stdout.strip():
        return found.stdout.strip()
    helped = subprocess.run(
        [*command, "install", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "400"},
    ).stdout
    match = re.search(r"\(default\s+(https?://\S+?)\)", helped)
    if match is None:
        pytest.skip(lacks("index", "pip does not tell its default one"))
    return match[1]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(
        tmp_path_factory.mktemp("real"), origins=[index_of_this_machine()], env=surroundings()
    )
    with made:
        status = made.get("/simple/pip/", timeout=HANG)[0]
        if status != 200:
            pytest.skip(lacks("index", f"that of pip does not answer: {status}"))
        yield made


@pytest.fixture(params=[f"pip-{PIPS[-1]}", f"uv-{UVS[-1]}"])
def real_client(request: pytest.FixtureRequest, tmp_path: Path, gateway: Gateway) -> Installer:
    client = make_client(tmp_path / "client", str(request.param))
    client.point_at(gateway.index)
    return client


def imports(client: Installer, *modules: str) -> None:
    client.environment.run(client.environment.python, "-c", f"import {', '.join(modules)}").ok()


def test_tree_of_small_packages(real_client: Installer) -> None:
    real_client.install("requests").ok()
    imports(real_client, "requests", "urllib3", "certifi")


def test_large_page_and_a_compiled_wheel(real_client: Installer) -> None:
    real_client.install("numpy", timeout=HANG).ok()
    imports(real_client, "numpy")


def test_project_with_over_a_thousand_files(real_client: Installer) -> None:
    real_client.install("grpcio", timeout=HANG).ok()
    imports(real_client, "grpc")


def test_source_distribution_with_build_isolation(real_client: Installer) -> None:
    flags = ["--no-binary", "iniconfig"]
    real_client.install(*flags, "iniconfig", timeout=HANG).ok()
    imports(real_client, "iniconfig")


def test_the_same_bytes_as_without_the_gateway(gateway: Gateway, tmp_path: Path) -> None:
    through, direct = tmp_path / "through", tmp_path / "direct"
    pip = Pip(PIPS[-1], Environment(tmp_path / "client"))
    arguments = ("download", "--no-deps", "--only-binary", ":all:", "packaging==24.2")
    pip.point_at(gateway.index)
    pip.run(*arguments, "-d", str(through)).ok()
    pip.point_at(index_of_this_machine())
    pip.run(*arguments, "-d", str(direct), env=surroundings()).ok()
    (one,) = through.iterdir()
    assert one.read_bytes() == (direct / one.name).read_bytes()
