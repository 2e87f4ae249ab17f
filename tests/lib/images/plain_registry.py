"""Docker's own registry, as a process of a test's, and the log of what it was asked."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from lib.images.content import Image
from lib.serving.ports import free_port
from lib.waiting import HANG, until

__all__ = ["Running"]

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Running:
    """One process of docker's registry, with the log of what it was asked."""

    def __init__(self, folder: Path, name: str, storage: Path, stack: contextlib.ExitStack) -> None:
        self.port = free_port()
        self.log = folder / f"{name}.log"
        settings = folder / f"{name}.yml"
        settings.write_text(_CONFIG.format(root=storage, port=self.port))
        log = stack.enter_context(self.log.open("wb"))
        process = subprocess.Popen(
            ["docker-registry", "serve", settings], stdout=log, stderr=subprocess.STDOUT
        )
        stack.callback(process.wait, HANG)
        stack.callback(process.terminate)
        until(self._answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/v2/") == 200
        return False

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"content-type": kind} if kind else {})
            answer = connection.getresponse()
            answer.read()
            self.location = answer.headers.get("location", "")
            return answer.status

    def put(self, name: str, tag: str, image: Image) -> None:
        """Push, as an engine does."""
        for part in image.parts:
            self.put(name, part.digest, part)
        for blob in image.blobs:
            if self.ask("HEAD", f"/v2/{name}/blobs/{blob.digest}") == 200:
                continue
            assert self.ask("POST", f"/v2/{name}/blobs/uploads/") == 202
            where = urlsplit(self.location)
            to = f"{where.path}?{where.query}&digest={blob.digest}"
            assert self.ask("PUT", to, blob.data, "application/octet-stream") == 201
        manifest = image.manifest
        path = f"/v2/{name}/manifests/{tag}"
        assert self.ask("PUT", path, manifest.data, manifest.media_type) == 201

    def asked(self, method: str, part: str) -> list[str]:
        """What it was asked so, in its own words."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [line for line in lines if f'"{method} ' in line and part in line]
