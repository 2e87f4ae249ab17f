"""The image of `deploy/image`, built by buildah on a Debian of debootstrap's, twice, and started as
Kubernetes would: no root, nothing to write to but its folders.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.fleet.charts import DEPLOY
from lib.serving.certificates import authority
from lib.serving.ports import free_port
from lib.waiting import HANG, until

pytestmark = pytest.mark.nightly

ROOT = DEPLOY.parent
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
#: The longest that a base, or an image, takes to be made (seconds): some minutes, of downloads.
LONG = 1800


def done(*words: object, seconds: float = LONG) -> str:
    told = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert told.returncode == 0, f"{words}: {told.stdout[-2000:]}{told.stderr[-2000:]}"
    return told.stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for name in ("debootstrap", "buildah", "podman", "runc"):
        if shutil.which(name) is None or os.geteuid() != 0:
            pytest.skip(lacks("engines", f"{name} is not installed here, or not for root"))
    root = tmp_path_factory.mktemp("image")
    packages = "--include=python3,python3-venv,ca-certificates"
    done("debootstrap", "--variant=minbase", packages, "bookworm", root / "base")
    container = done("buildah", "from", "scratch")
    done("cp", "-a", f"{root}/base/.", done("buildah", "mount", container))
    base, name = "localhost/headrace-test-base", "localhost/headrace-test"
    done("buildah", "commit", "-q", "--rm", "--timestamp", 0, container, base)
    # Authorities of a company's that stands between here and the index.
    (root / "pip.conf").write_text("[global]\ncert = /etc/ssl/certs/here.crt\n", "utf-8")
    beside = [f"-v={AUTHORITIES}:/etc/ssl/certs/here.crt:ro"]
    beside += [f"-v={root}/pip.conf:/etc/pip.conf:ro"]
    words = ["--no-cache", "--timestamp", 0, "--network", "host", "--runtime", "runc", *beside]
    words += ["--build-arg", f"BASE={base}", "-f", DEPLOY / "image" / "Containerfile", "-q"]
    built = [done("buildah", "bud", *words, "-t", name, ROOT) for _ in range(2)]
    try:
        assert built[0] == built[1], "two builds are two images"
        yield name
    finally:
        done("buildah", "rmi", "-f", name, base)


def test_it_runs_as_nobody_in_particular_and_ends_well(image: str, tmp_path: Path) -> None:
    made, port = authority(tmp_path / "tls"), free_port()
    (tmp_path / "tls" / "server.key").chmod(0o644)
    settings = {
        "listen": f"127.0.0.1:{port}",
        "certificate": "/tls/server.pem",
        "key": "/tls/server.key",
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    lines += ['networks = ["127.0.0.0/8"]', "drain_delay = 0"]
    (tmp_path / "config.toml").write_text("\n".join(["[serve]", *lines, ""]), "utf-8")
    for path in (tmp_path, tmp_path / "tls"):
        path.chmod(0o755)
    name = f"headrace-test-{port}"
    words = ["--name", name, "--rm", "--network", "host", "--read-only", "--cap-drop", "ALL"]
    words += ["--security-opt", "no-new-privileges", "--ulimit", "nofile=4096"]
    words += ["--ulimit", "nproc=512", "--tmpfs", "/tmp"]
    words += ["--mount", "type=tmpfs,dst=/var/lib/headrace,tmpfs-mode=1777"]
    words += ["-v", f"{tmp_path}/tls:/tls:ro", "-v", f"{tmp_path}/config.toml:/config.toml:ro"]
    words += ["-e", "HEADRACE_CONFIG=/config.toml"]
    command = ["podman", "--runtime", "runc", "run", *words, image, "serve"]
    command += ["--origin", "python=https://index.example/simple/"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        context = ssl.create_default_context(cafile=str(made.certificate))

        def health() -> dict[str, object] | None:
            connection = http.client.HTTPSConnection("localhost", port, context=context)
            try:
                connection.request("GET", "/healthz")
                found: dict[str, object] = json.loads(connection.getresponse().read())
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                return None
            finally:
                connection.close()
            return found

        until(lambda: health() is not None)
        assert (health() or {})["pid"] == 1
        assert done("podman", "exec", name, "id", "-u") == "10001"
        sbom = json.loads(
            done("podman", "exec", name, "cat", "/opt/headrace/share/sbom/headrace.cdx.json")
        )
        assert sbom["bomFormat"] == "CycloneDX"
        assert {"headrace", "httpx", "obstore"} <= {each["name"] for each in sbom["components"]}
        done("podman", "kill", "-s", "TERM", name, seconds=HANG)
        assert process.wait(HANG) == 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            subprocess.run(["podman", "rm", "-f", name], capture_output=True, check=False)
        process.wait(HANG)
