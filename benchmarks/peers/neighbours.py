"""What a fleet could use in headrace's place: devpi, proxpi, docker-registry, nginx' proxy_cache.

Each gives where a wheel, or a blob, is to be asked for once it runs. Programs of Python's are
looked for on the path and where the tests' cache has them; a contender that is not here is left
out.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from benchmarks.corpus import Wheel
from benchmarks.loopback import free_port
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Stage, scratch

__all__ = ["Peer", "ask", "indexes", "links", "missing", "registry"]

Peer = Callable[[str], AbstractContextManager[str]]
"""The origin's base URL to the URL below which a project's page is, with its final slash."""
_PATIENCE = 60.0


@contextlib.contextmanager
def _running(
    words: Sequence[str | Path], folder: Path, port: int, path: str, **more: str
) -> Iterator[str]:
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), **more}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(OSError):
                ask(f"http://127.0.0.1:{port}{path}")
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{words[0]} did not start: {(folder / 'log').read_text()[-500:]}"
                )
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(
    url: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: object = None
) -> bytes:
    """Ask something small; the body of whatever the answer is."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)
    with contextlib.closing(connection):
        sent = None if body is None else json.dumps(body)
        connection.request(method, parts.path, sent, dict(headers or {}))
        return connection.getresponse().read()


def links(index: str, wheels: Sequence[Wheel]) -> list[str]:
    """Give each wheel's URL, as its project's page names it; as installers do, pages first."""
    found = []
    for wheel in wheels:
        page = f"{index}{wheel.project}/"
        text = ask(page, {"Accept": "text/html"}).decode("utf-8", "replace")
        hrefs = [each for each in re.findall(r'href="([^"#]+)', text) if wheel.filename in each]
        if not hrefs:
            raise RuntimeError(f"{page} does not name {wheel.filename}")
        found.append(urljoin(page, hrefs[0]))
    return found


@contextlib.contextmanager
def _headrace(keep: Path, origin: str) -> Iterator[str]:
    with Gateway(Stage(), origin, {}, keep=keep, serve={}) as gateway:
        yield f"{gateway.url}/simple/"


_NGINX = """\
daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
{user}events {{ worker_connections 1024; }}
http {{
  access_log off; proxy_temp_path {folder}/proxy; client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=kept:8m max_size=20g inactive=1d use_temp_path=off;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass {origin}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache kept; proxy_cache_valid 200 10m;
      proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_cache_lock_age 60s;
      proxy_cache_use_stale error timeout updating;
    }}
  }}
}}
"""


@contextlib.contextmanager
def _nginx(_: Path, origin: str) -> Iterator[str]:
    port = free_port()
    with scratch() as folder:
        user = "user root; " if os.geteuid() == 0 else ""
        text = _NGINX.format(folder=folder, port=port, origin=origin, user=user)
        (folder / "nginx.conf").write_text(text)
        words = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with _running(words, folder, port, "/simple/labdozen-00/") as url:
            yield f"{url}/simple/"


@contextlib.contextmanager
def _devpi(_: Path, origin: str) -> Iterator[str]:
    server, port = Path(_program("devpi-server") or ""), free_port()
    with scratch() as folder:
        words = ["--serverdir", str(folder / "server"), "--no-root-pypi", "--root-passwd", "x"]
        subprocess.run([server.with_name("devpi-init"), *words], check=True, capture_output=True)
        words = ["--serverdir", str(folder / "server"), "--port", str(port), "--host", "127.0.0.1"]
        with _running([server, *words], folder, port, "/+api") as url:
            kind = {"Content-Type": "application/json"}
            login = {"user": "root", "password": "x"}
            told = json.loads(ask(f"{url}/+login", kind, "POST", login))["result"]["password"]
            shown = base64.b64encode(f"root:{told}".encode()).decode()
            settings: dict[str, object] = {"type": "mirror", "mirror_url": f"{origin}/simple/"}
            settings |= {"mirror_no_project_list": True}
            ask(f"{url}/root/remote", {**kind, "X-Devpi-Auth": shown}, "PUT", settings)
            yield f"{url}/root/remote/+simple/"


@contextlib.contextmanager
def _proxpi(_: Path, origin: str) -> Iterator[str]:
    port, program = free_port(), _program("proxpi", "gunicorn") or ""
    with scratch() as folder:
        words = [program, "--bind", f"127.0.0.1:{port}", "--threads", "32", "--timeout", "600"]
        variables = {"PROXPI_INDEX_URL": f"{origin}/simple/", "PROXPI_CACHE_DIR": str(folder)}
        words += ["proxpi.server:app"]
        with _running(words, folder, port, "/health", **variables) as url:
            yield f"{url}/index/"


def _program(project: str, name: str = "") -> str | None:
    cache = Path(os.environ.get("HEADRACE_TEST_CACHE", Path.home() / ".cache" / "headrace-tests"))
    for place in sorted(cache.glob(f"{project}-*-installed/bin/{name or project}"), reverse=True):
        return str(place)
    return shutil.which(name or project)


def missing() -> dict[str, str]:
    """Say which contenders are not here, and what would bring them."""
    wanted = {"nginx": shutil.which("nginx"), "devpi": _program("devpi-server")}
    wanted["proxpi"] = _program("proxpi", "gunicorn")
    why = "not here; the nightly tests bring it"
    return {name: why for name, found in wanted.items() if found is None}


def indexes(keep: Path) -> dict[str, Peer]:
    """Give the contenders that cache an index, by name."""
    made = {"headrace": _headrace, "nginx": _nginx, "devpi": _devpi, "proxpi": _proxpi}
    return {name: partial(peer, keep) for name, peer in made.items() if name not in missing()}


@contextlib.contextmanager
def registry(origin: str) -> Iterator[str]:
    """docker-registry as a pull-through cache; its base URL."""
    port = free_port()
    with scratch() as folder:
        settings = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
            "http": {"addr": f"127.0.0.1:{port}"},
            "proxy": {"remoteurl": origin},
        }
        (folder / "config.yml").write_text(json.dumps(settings))
        words = ["docker-registry", "serve", str(folder / "config.yml")]
        with _running(words, folder, port, "/v2/") as url:
            yield url
