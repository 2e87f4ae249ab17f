"""What stands in the gateway's place: writes down what it is asked, and has one tiny image.

The image (OCI image-spec 1.0, one layer) is there under every name, with the tag v1.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import sys
import tarfile
from pathlib import Path

__all__ = ["DIGEST", "image"]

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<what>[^/?]+)")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image() -> tuple[bytes, dict[str, bytes]]:
    """Return the manifest, and the blobs by digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    layer = gzip.compress(packed.getvalue(), mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(packed.getvalue())]},
        }
    ).encode()

    def described(kind: str, content: bytes) -> dict[str, object]:
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": _digest(content), "size": len(content)}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": described("config.v1+json", config),
            "layers": [described("layer.v1.tar+gzip", layer)],
        }
    ).encode()
    return manifest, {_digest(config): config, _digest(layer): layer}


MANIFEST, BLOBS = image()
DIGEST = _digest(MANIFEST)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Path

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        with self.log.open("a") as log:
            log.write(f"{self.command} {self.path}\n")
        match = _PATH.match(self.path)
        content, kind = None, "application/octet-stream"
        if self.path == "/v2/":
            content, kind = b"{}", "application/json"
        elif match and match["kind"] == "manifests" and match["what"] in ("v1", DIGEST):
            content, kind = MANIFEST, _MANIFEST
        elif match and match["kind"] == "blobs":
            content = BLOBS.get(match["what"])
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if match and content is not None:
            self.send_header("Docker-Content-Digest", _digest(content))
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.command == "GET" and content:
            self.wfile.write(content)

    do_GET = do_HEAD = _answer  # noqa: N815 - the base class calls them so


def main(port: str, log: str) -> None:
    """Serve until it is ended."""
    _Handler.log = Path(log)
    Path(f"{log}.pid").write_text(str(os.getpid()))
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])
