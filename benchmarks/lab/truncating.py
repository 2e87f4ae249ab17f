"""A server that promises a whole answer and sends half of it: ``truncating.py PORT FOLDER``."""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

_PIECE = 1 << 16


class _Half(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path]

    def log_message(self, *_: object) -> None:
        """Stay silent: nginx has the log."""

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        if ".." in path.parts or not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        left = (end - start) // 2
        with path.open("rb") as file:
            file.seek(start)
            while left:
                piece = file.read(min(left, _PIECE))
                left -= len(piece)
                self.wfile.write(piece)
        self.close_connection = True


if __name__ == "__main__":
    _Half.folder = Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Half)
    print("ready", flush=True)
    server.serve_forever()
