"""Docker Hub as engines see it, in a test's own machine (`lib.engines.lab`): its names, its TLS
and its tokens before a real registry; and one mirror of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.engines.lab import EngineLab
from lib.images.content import Image

__all__ = ["HOSTS", "LOGIN", "MIRROR", "Hub", "start"]

HOSTS = ("registry-1.docker.io", "auth.docker.io", "index.docker.io", "ghcr.io")
LOGIN = "me:s3cret"
#: Ports: of the registry itself, and of its mirror.
_REGISTRY, MIRROR = 5001, 5002
_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: false}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass
class Hub:
    """What was started."""

    machine: EngineLab

    def put(self, name: str, image: Image) -> Image:
        """Hold an image, by the registry's own protocol."""
        folder = self.machine.root / "put-image"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "version").write_text("Directory Transport Version: 1.1\n")
        (folder / "manifest.json").write_bytes(image.manifest.data)
        for blob in image.blobs:
            (folder / blob.digest.partition(":")[2]).write_bytes(blob.data)
        words = ("skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false")
        self.machine.run(*words, f"dir:{folder}", f"docker://127.0.0.1:{_REGISTRY}/{name}")
        return image

    def mood(self, of: str, **mood: object) -> None:
        """Change how ``hub`` or ``mirror`` behaves; see `registry_front.Options.mood`."""
        (self.machine.root / f"{of}.mood").write_text(json.dumps(mood))

    def seen(self, of: str) -> list[dict[str, Any]]:
        """Return what ``hub`` or ``mirror`` was asked, tokens left out."""
        path = self.machine.root / f"{of}.log"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [each for each in found if not each["path"].startswith("/token")]

    def forget(self) -> None:
        """Begin new logs."""
        for of in ("hub", "mirror"):
            (self.machine.root / f"{of}.log").write_text("")

    def sent(self, of: str, part: str = "/blobs/") -> int:
        """Count the bytes that were given below paths with `part`."""
        return sum(each["sent"] for each in self.seen(of) if part in each["path"])

    def pulls(self) -> list[dict[str, Any]]:
        """Return what Hub counts: manifests that were given out."""
        return [
            each
            for each in self.seen("hub")
            if each["method"] == "GET" and "/manifests/" in each["path"] and each["status"] == 200
        ]


def start(machine: EngineLab, *, private: tuple[str, ...] = ()) -> Hub:
    """Start it all; the machine trusts its certificate authority."""
    root = machine.root
    bundle = _certificates(root)
    machine.more["SSL_CERT_FILE"] = str(bundle)
    machine.put("/etc/hosts", "127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {h}\n" for h in HOSTS))
    (root / "registry.yml").write_text(_CONFIG.format(root=root / "registry", port=_REGISTRY))
    machine.start("docker-registry", "serve", root / "registry.yml")
    hub = {
        "port": 443,
        "upstream": _REGISTRY,
        "log": str(root / "hub.log"),
        "mood": str(root / "hub.mood"),
        "certificate": str(root / "hub.pem"),
        "key": str(root / "hub.key"),
        "realm": "https://auth.docker.io/token",
        "private": private,
        "login": LOGIN,
    }
    mirror = {
        "port": MIRROR,
        "upstream": _REGISTRY,
        "log": str(root / "mirror.log"),
        "mood": str(root / "mirror.mood"),
    }
    script = Path(__file__).with_name("registry_front.py")
    for name, options in (("hub", hub), ("mirror", mirror)):
        (root / f"{name}.json").write_text(json.dumps(options))
        machine.start(sys.executable, script, root / f"{name}.json")
    for port in (_REGISTRY, 443, MIRROR):
        machine.wait("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}")
    return Hub(machine)


def _certificates(root: Path) -> Path:
    """Make an authority, and a certificate for Hub's names; return what to trust."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=root, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    use = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    named = ("-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=TestRoot")
    openssl("req", "-x509", *key, *named, *use)
    openssl("req", *key, "-keyout", "hub.key", "-out", "hub.csr", "-subj", "/CN=docker.io")
    (root / "names").write_text("subjectAltName=" + ",".join(f"DNS:{h}" for h in HOSTS) + "\n")
    sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", "hub.csr", *sign, "-extfile", "names", "-out", "hub.pem")
    return root / "ca.pem"
