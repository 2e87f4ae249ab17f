"""What stands beside a fleet's gateway in companies: caches, registries and proxies as they come
from their makers, each as a process of a test's own.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lib.capabilities import lacks
from lib.clients import installed
from lib.serving.ports import free_port
from lib.waiting import HANG, until

__all__ = ["LOGIN", "devpi", "nginx", "proxpi", "registry", "squid"]

LOGIN = ("fleet", "s3cret")
#: `LOGIN` as htpasswd writes it with -B, which docker's registry alone takes.
_BCRYPT = "fleet:$2y$05$oPkMLvP5y4T7sJjcAtIpKusTnAJEjuVmgL1kqlgaTt1bYwS/Xyqdm"
DEVPI, PROXPI = "6.20.3", "1.3.1"


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        capability = "neighbours" if name == "squid" else "programs"
        pytest.skip(lacks(capability, f"{name} is not installed here"))
    return found


@contextlib.contextmanager
def _running(
    root: Path, command: Sequence[str | Path], port: int, path: str, **env: str
) -> Iterator[str]:
    """Run a server until the context ends; give its URL when it answers on `path`."""
    root.mkdir(parents=True, exist_ok=True)
    log = root / "log"
    with log.open("ab") as told:
        process = subprocess.Popen(
            command,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(root), **env},
        )

    def answers() -> bool:
        assert process.poll() is None, log.read_text("utf-8", "replace")[-4000:]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", path)
            return connection.getresponse().status < 500
        return False

    try:
        until(answers, lambda: log.read_text("utf-8", "replace")[-4000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(HANG)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def devpi(root: Path, index: str) -> Iterator[str]:
    """devpi whose index `fleet/remote` mirrors `index`; give that index's URL."""
    server = installed("devpi-server", DEVPI, "setuptools<81")
    folder, port = root / "server", free_port()
    folder.parent.mkdir(parents=True)
    words = ("--serverdir", str(folder), "--no-root-pypi", "--root-passwd", LOGIN[1])
    subprocess.run(
        [server.with_name("devpi-init"), *words], check=True, capture_output=True, timeout=HANG
    )
    command = (server, "--serverdir", folder, "--host", "127.0.0.1", "--port", str(port))
    with _running(root, command, port, "/+api") as url:
        told = _ask(port, "POST", "/+login", {"user": "root", "password": LOGIN[1]})
        shown = {"X-Devpi-Auth": _base64(f"root:{told['result']['password']}")}
        settings = {"type": "mirror", "mirror_url": index, "volatile": True}
        _ask(port, "PUT", "/root/remote", settings, shown)
        yield f"{url}/root/remote"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _ask(
    port: int, method: str, path: str, body: object, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    with contextlib.closing(connection):
        kind = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request(method, path, json.dumps(body), {**kind, **(headers or {})})
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        found: dict[str, Any] = json.loads(told)
        return found


@contextlib.contextmanager
def proxpi(root: Path, index: str) -> Iterator[str]:
    """proxpi before `index`; give the index's URL there."""
    python = installed("proxpi", PROXPI, "gunicorn", program_name="gunicorn")
    port = free_port()
    command = (python, "--bind", f"127.0.0.1:{port}", "--threads", "4", "proxpi.server:app")
    env = {"PROXPI_INDEX_URL": index, "PROXPI_BINARY_FILE_MIME_TYPE": "1"}
    with _running(root, command, port, "/health", **env) as url:
        yield f"{url}/index"


@contextlib.contextmanager
def registry(
    root: Path, *, store: Path | None = None, remote: str = "", login: bool = False
) -> Iterator[str]:
    """Docker's registry of what is in `store`, which pulls through from `remote`, or wants
    `LOGIN`.
    """
    program, port = _program("docker-registry"), free_port()
    root.mkdir(parents=True)
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(store or root / "store")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if remote:
        settings["proxy"] = {"remoteurl": remote}
    if login:
        (root / "htpasswd").write_text(f"{_BCRYPT}\n")
        settings["auth"] = {"htpasswd": {"realm": "fleet", "path": str(root / "htpasswd")}}
    (root / "config.yml").write_text(json.dumps(settings))
    with _running(root, (program, "serve", root / "config.yml"), port, "/v2/") as url:
        yield url


_NGINX = """\
daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
events {{}}
http {{
  access_log off; proxy_temp_path {root}/proxy; client_body_temp_path {root}/body;
  fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  proxy_cache_path {root}/cache keys_zone=kept:1m max_size=1g inactive=1d;
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Host {host};
    proxy_set_header X-Forwarded-For $remote_addr;
    {more}
    location / {{
      proxy_pass {behind}; proxy_buffering off;
    }}
    {cached}
  }}
}}
"""


#: Of what never changes alone: nginx answers no condition on what it may not keep (1.22).
_CACHED = """\
location /packages/ {{
      proxy_pass {behind};
      proxy_cache kept; proxy_cache_lock on; proxy_cache_lock_timeout 60s;
      proxy_cache_use_stale error timeout updating;
    }}
"""


@contextlib.contextmanager
def nginx(
    root: Path, behind: str, *, host: str = "$http_host", cache: bool = False, login: bool = False
) -> Iterator[str]:
    """nginx before `behind`: handing on alone, or with its cache; open, or for `LOGIN` alone."""
    program, port = _program("nginx"), free_port()
    root.mkdir(parents=True)
    more: list[str] = []
    cached = _CACHED.format(behind=behind) if cache else ""
    if login:
        (root / "users").write_text(f"{LOGIN[0]}:{{PLAIN}}{LOGIN[1]}\n")
        more += [f'auth_basic "fleet"; auth_basic_user_file {root}/users;']
        more += ['proxy_set_header Authorization "";']
    text = _NGINX.format(
        root=root, port=port, behind=behind, host=host, more="\n    ".join(more), cached=cached
    )
    (root / "nginx.conf").write_text(text)
    command = (program, "-c", root / "nginx.conf", "-p", root, "-e", root / "error.log")
    with _running(root, command, port, "/") as url:
        yield url


@contextlib.contextmanager
def squid(root: Path, behind: str) -> Iterator[str]:
    """squid as the accelerator of `behind`."""
    program, port = _program("squid"), free_port()
    root.mkdir(parents=True)
    host, _, theirs = behind.removeprefix("http://").partition(":")
    (root / "squid.conf").write_text(f"""\
http_port 127.0.0.1:{port} accel defaultsite=mirror.lab.example no-vhost
cache_peer {host} parent {theirs} 0 no-query originserver name=fleet
http_access allow all
cache_peer_access fleet allow all
cache_mem 64 MB
maximum_object_size_in_memory 32 MB
access_log none
cache_log /dev/null
pid_filename none
memory_cache_shared off
shutdown_lifetime 0 seconds
pinger_enable off
""")
    command = (program, "-N", "-n", f"fleet{port}", "-f", root / "squid.conf")
    with _running(root, command, port, "/healthz") as url:
        yield url
