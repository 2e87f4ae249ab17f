"""npm and curl below `headrace run`: a host that is not led is between it and them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lib.capabilities import lacks
from lib.serving.certificates import authority
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer

from .conftest import LedUser, MakeUser

HOST = "registry.corp.test"


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry of npm's that a company's proxy reaches, and the user who uses it."""

    server: RecordingServer
    proxy: RecordingProxy
    user: LedUser

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://{HOST}:{self.server.port}"


@pytest.fixture
def registry(make_user: MakeUser) -> Iterator[Registry]:
    """A package, an authority that nobody else vouches for, and the user's own proxy."""
    user = make_user()
    company = authority(user.box.root / "registry", HOST)
    with (
        RecordingProxy() as proxy,
        RecordingServer(name="registry", known_as=HOST, tls=company.server) as server,
    ):
        found = Registry(server, proxy, user)
        data = package()
        told = base64.b64encode(hashlib.sha512(data).digest()).decode()
        dist = {"tarball": f"{found.url}/own/-/own-1.0.0.tgz", "integrity": f"sha512-{told}"}
        version = {"name": "own", "version": "1.0.0", "dist": dist}
        page = {"name": "own", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        server.content |= {"/own": json.dumps(page).encode(), "/own/-/own-1.0.0.tgz": data}
        user.box.variables |= {
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(company.certificate),
            "npm_config_cafile": str(company.certificate),
            "npm_config_fetch_retries": "0",
            "npm_config_registry": f"{found.url}/",
            "npm_config_audit": "false",
            "npm_config_update_notifier": "false",
        }
        yield found


def package() -> bytes:
    """Give a package as npm has it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        data = json.dumps({"name": "own", "version": "1.0.0"}).encode()
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0)


def test_npm_locks_and_installs_as_it_does_alone(registry: Registry) -> None:
    if shutil.which("npm") is None:
        pytest.skip(lacks("programs", "npm is not installed here"))
    user = registry.user
    asked = '{"name": "project", "version": "1.0.0", "dependencies": {"own": "1.0.0"}}'
    locks = []
    for run in (user.plain, user.led):
        for name in ("node_modules", ".npm"):
            for folder in (user.project, user.box.home):
                shutil.rmtree(folder / name, ignore_errors=True)
        (user.project / "package-lock.json").unlink(missing_ok=True)
        user.box.write("project/package.json", asked)
        registry.proxy.passed.clear()
        registry.server.forget()
        run("npm", "install", "--no-fund").ok()
        locks.append((user.project / "package-lock.json").read_bytes())
        assert (user.project / "node_modules" / "own" / "package.json").is_file()
        # Through both, and npm itself spoke to the registry, whose certificate no other has.
        assert {passed.target for passed in registry.proxy.passed} == {
            f"{HOST}:{registry.server.port}"
        }
        agents = {seen.headers["user-agent"].partition("/")[0] for seen in registry.server.seen}
        assert agents == {"npm"}
    assert locks[0] == locks[1]
    assert registry.url.encode() in locks[1]


def test_curl_has_from_a_host_that_is_not_led_what_it_has_alone(registry: Registry) -> None:
    url = f"{registry.url}/own/-/own-1.0.0.tgz"
    user = registry.user
    told = [
        run("curl", "-sS", "-o", "got", "-w", "%{http_code} %{certs}", url).ok().out
        for run in (user.plain, user.led)
    ]
    assert told[0] == told[1]
    assert told[0].startswith("200 ")
    assert (user.project / "got").read_bytes() == package()
    assert len(registry.proxy.passed) == 2
