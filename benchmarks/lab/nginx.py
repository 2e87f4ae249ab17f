"""nginx as the server of one host: an index in the official layout, with faults by flag files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lab.faults import HTTP_FAULTS, LabFault
from benchmarks.lab.tls import Certificate

__all__ = ["Nginx", "available"]

_TRUNCATING_PORT = 8099
_PATIENCE = 5.0

_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {state}/pid;
error_log {state}/error.log warn;
{user}events {{ worker_connections 1024; }}
http {{
  log_format lab '$msec $request_method $uri $status $body_bytes_sent "$http_range" $request_time'
    ' $connection "$http_user_agent"';
  access_log {state}/access.log lab;
  client_body_temp_path {state}/body; proxy_temp_path {state}/proxy;
  fastcgi_temp_path {state}/fastcgi; uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
  sendfile on; tcp_nopush on; keepalive_timeout 75; keepalive_requests 100000;
  types {{
    text/html html;
    application/vnd.pypi.simple.v1+json json;
  }}
  default_type application/octet-stream;
  map $http_accept $page {{
    default index.html;
    "~application/vnd\\.pypi\\.simple\\.v1\\+json" index.json;
  }}
  map $uri $lasting {{
    default "";
    "~\\.conda$" "public, max-age=31536000, immutable";
    "~/[0-9a-f]+\\.msgpack\\.zst$" "public, max-age=31536000, immutable";
    "~/(current_)?repodata[a-z_]*\\." "public, max-age=1200";
  }}
  map $uri $image {{
    default "";
    "~/manifests/(sha256:[0-9a-f]+)$" $1;
    "~/manifests/v1-(?<named>[0-9a-f]+)$" "sha256:$named";
  }}
  server {{
    listen {listen} backlog=1024;
    {secure}
    {extra}
    set $docs {root};
    if (-f {flags}/corrupt) {{ set $docs {wrong}; }}
{refusals}
    if (-f {flags}/429) {{ return 429; }}
    error_page 429 @limited;
    location @limited {{ add_header Retry-After 30 always; return 429 "slow down\\n"; }}

    if (-f {flags}/html) {{ rewrite ^ /login.html last; }}
    location = /login.html {{
      default_type text/html;
      return 200 "<!DOCTYPE html><html><body>Please log in to this network.</body></html>\\n";
    }}

    location /simple/ {{
      root {root};
      gzip_static on;
      add_header Cache-Control "max-age=600";
      rewrite ^(/simple/[^/]+)$ $1/ permanent;
      try_files $uri$page ${{uri}}index.html =404;
    }}
    location = /v2/ {{
      default_type application/json;
      return 200 "{{}}";
    }}
    location ~ ^/v2/.+/manifests/ {{
      root $docs;
      default_type application/vnd.oci.image.manifest.v1+json;
      add_header Docker-Content-Digest $image;
    }}
    location / {{
      root $docs;
      add_header Cache-Control $lasting;
      {rate}
      error_page 418 = @whole;
      error_page 419 = @half;
      if (-f {flags}/norange) {{ return 418; }}
      if (-f {flags}/truncate) {{ return 419; }}
    }}
    location @whole {{ root $docs; max_ranges 0; }}
    location @half {{
      proxy_pass http://127.0.0.1:{truncating};
      proxy_http_version 1.1;
      proxy_buffering off;
    }}
  }}
}}
"""

_SECURE = """\
listen 443 ssl http2 backlog=1024;
    ssl_certificate {0.chain};
    ssl_certificate_key {0.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:sessions:1m;
"""


def available() -> bool:
    """Tell whether nginx is installed."""
    return shutil.which("nginx") is not None


class Nginx:
    """One running nginx.

    `wrong` is a tree like `root` whose files are not right. `prefix` are the words that run a
    command where the server is to live (a namespace). `rate` limits each connection, in bytes
    per second; with a `certificate` it listens for TLS on port 443 too; `extra` goes into the
    server's block.
    """

    def __init__(
        self,
        state: Path,
        root: Path,
        wrong: Path,
        *,
        listen: str = "80",
        prefix: Sequence[str] = (),
        rate: int = 0,
        extra: str = "",
        certificate: Certificate | None = None,
    ) -> None:
        self.state = state
        self.root = root
        self.prefix = list(prefix)
        self.flags = state / "flags"
        self.flags.mkdir(parents=True)
        self._truncating: subprocess.Popen[bytes] | None = None
        refusals = "\n".join(
            f"    if (-f {self.flags}/{fault}) {{ return {fault}; }}"
            for fault in sorted(HTTP_FAULTS)
            if fault.isdigit() and fault is not LabFault.RATE_LIMITED
        )
        text = _CONFIGURATION.format(
            state=state,
            user="user root;\n" if os.geteuid() == 0 else "",
            listen=listen,
            root=root,
            wrong=wrong,
            flags=self.flags,
            refusals=refusals,
            rate=f"limit_rate {rate};" if rate else "",
            truncating=_TRUNCATING_PORT,
            extra=extra,
            secure=_SECURE.format(certificate) if certificate else "",
        )
        self.configuration = state / "nginx.conf"
        self.configuration.write_text(text)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        pid = self.state / "pid"
        pid.unlink(missing_ok=True)
        command = ["nginx", "-c", str(self.configuration), "-e", str(self.state / "error.log")]
        with (self.state / "output").open("ab") as output:
            process = subprocess.Popen(
                [*self.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        # The file is there before the number is in it.
        while not (pid.exists() and pid.read_text().strip()):
            if process.poll() is not None or time.monotonic() > deadline:
                why = (self.state / "output").read_text() + (self.state / "error.log").read_text()
                raise RuntimeError(f"nginx did not start: {why}")
            time.sleep(0.01)
        return process

    def fail(self, fault: LabFault) -> None:
        """Answer the next requests with this fault, or be gone at once (`REFUSE`)."""
        if fault is LabFault.REFUSE:
            _end(self.process)
            return
        if fault is LabFault.TRUNCATE and self._truncating is None:
            script = Path(__file__).with_name("truncating.py")
            words = [sys.executable, str(script), str(_TRUNCATING_PORT), str(self.root)]
            self._truncating = subprocess.Popen(
                [*self.prefix, *words], start_new_session=True, stdout=subprocess.PIPE
            )
            assert self._truncating.stdout is not None
            self._truncating.stdout.readline()
        (self.flags / fault).touch()

    def restore(self) -> None:
        """Be well again."""
        for flag in self.flags.iterdir():
            flag.unlink()
        if self.process.poll() is not None:
            self.process = self._start()

    def requests(self, path: str = "") -> int:
        """Count the requests for a path that have been answered; without one, all of them."""
        log = self.state / "access.log"
        return log.read_text().count(f" GET {path} " if path else "\n") if log.exists() else 0

    def close(self) -> None:
        """Stop; connections are cut."""
        _end(self.process)
        if self._truncating is not None:
            if self._truncating.stdout is not None:
                self._truncating.stdout.close()
            _end(self._truncating)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
