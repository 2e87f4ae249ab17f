"""`headrace serve`: real clients over TLS, who may have what, and how it comes and goes."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from lib import wheels
from lib.capabilities import lacks
from lib.clients import Installer, Pip
from lib.fleet.served import Served, served_for
from lib.serving.certificates import authority
from lib.serving.ports import free_port
from lib.waiting import HANG, until
from lib.world import MakeWorld, World

MB = 1 << 20
BIG = 12 * MB


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()}


def with_token(served: Served, token: str) -> str:
    return f"{served.url}/simple/".replace("://", f"://x:{token}@")


def test_installers_over_tls_by_token(world: MakeWorld, either: Installer) -> None:
    made = world()
    built = wheels.wheel("thing", "1.0", ["part"], size=300_000)
    made.index.add(built, wheels.wheel("part", "1.0", size=BIG))
    with served_for(made) as served:
        token = served.token("ci", "--page", "metrics")
        assert token not in served.tokens.read_text("utf-8")
        trusts = {"PIP_CERT": str(served.authority), "SSL_CERT_FILE": str(served.authority)}
        either.environment.variables |= trusts
        either.point_at(with_token(served, token))
        either.install("thing").ok()
        assert either.environment.holds(built.files())
        made.assert_polite()
        assert made.at_mirrors("*part*.whl"), "no mirror was used"

        lines = served.answers()
        assert {line["user.name"] for line in lines if line["headrace.ecosystem"]} >= {"ci"}
        (part,) = [line for line in lines if "/part-1.0" in line["url.path"] and is_file(line)]
        assert part["headrace.verdict"] == "download"
        assert sum(part["headrace.bytes_by_source"].values()) >= BIG
        assert part["http.response.body.bytes"] >= BIG
        assert token not in served.told()

        status, headers, body = served.get("/metrics", basic(token))
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
        assert b'headrace_responses_total{client="known",code="200",ecosystem="python"}' in body
        assert b'headrace_build_info{version="' in body
        assert b"process_resident_memory_bytes" in body
    assert served.process is None


def is_file(line: dict[str, Any]) -> bool:
    return str(line["url.path"]).endswith(".whl") and line["http.response.status_code"] == 200


@pytest.fixture
def one(world: MakeWorld) -> World:
    made = world(mirrors=0)
    made.index.add(wheels.wheel("thing", "1.0", size=1000))
    return made


@pytest.mark.parametrize("how", ["basic", "user", "bearer", "header"])
def test_each_way_to_show_a_token(one: World, how: str) -> None:
    with served_for(one) as served:
        token = served.token("ci")
        shown = {
            "basic": basic(token),
            "user": {"Authorization": "Basic " + base64.b64encode(f"{token}:".encode()).decode()},
            "bearer": {"Authorization": f"Bearer {token}"},
            "header": {"X-Headrace-Token": token},
        }[how]
        assert served.get("/simple/thing/", shown)[0] == 200
        assert not [seen for seen in one.pages.requests("*") if "authorization" in seen.headers]
        assert not [seen for seen in one.pages.requests("*") if "x-headrace-token" in seen.headers]


def test_what_a_token_does_not_open(one: World) -> None:
    with served_for(one) as served:
        plain, pages = served.token("plain"), served.token("pages", "--page", "status")
        conda = served.token("conda", "--ecosystem", "conda")
        status, headers, body = served.get("/simple/thing/")
        assert (status, "www-authenticate" in headers) == (401, True)
        assert b"not known here" in body
        assert served.get("/simple/thing/", basic(conda))[0] == 403
        assert served.get("/simple/thing/", basic(plain))[0] == 200
        assert served.get("/status", basic(plain))[0] == 403
        assert served.get("/status", basic(pages))[0] == 200
        assert served.get("/metrics", basic(pages))[0] == 200  # by its network: loopback
        # Nothing of a laptop's own pages, to nobody.
        for path in ("/interception", "/measurements", "/live/", "/"):
            assert served.get(path, basic(pages))[0] == 404, path
        for path in ("/healthz", "/readyz"):
            assert served.get(path)[0] == 200, path
        assert served.get("/simple/thing/", basic(pages), method="POST")[0] == 405


def test_engines_are_never_asked_for_a_password(tmp_path: Path) -> None:
    hub = f"http://127.0.0.1:{free_port()}"
    made = Served(tmp_path / "served", named={"docker.io": hub}, ecosystem="docker")
    with made as served:
        token = served.token("node")
        for path in ("/v2/", "/v2/library/x/manifests/v1", f"/v2/x/blobs/sha256:{'0' * 64}"):
            status, headers, body = served.get(path)
            assert (status, "www-authenticate" in headers) == (404, False), path
            assert json.loads(body)["errors"], path
        assert served.get("/v2/", {"X-Headrace-Token": token})[0] == 200
        status, headers, _ = served.get("/v2/", {"X-Headrace-Token": "wrong"})
        assert (status, "www-authenticate" in headers) == (404, False)


def test_tokens_are_read_again_when_the_file_changes(one: World) -> None:
    with served_for(one) as served:
        first = served.token("first")
        assert served.get("/simple/thing/", basic(first))[0] == 200
        served.tokens.write_text("[[token]\n", "utf-8")
        assert served.get("/simple/thing/", basic("wrong"))[0] == 401
        assert "what was known holds" in served.told()
        assert served.get("/simple/thing/", basic(first))[0] == 200
        served.tokens.write_text("", "utf-8")
        until(lambda: served.get("/simple/thing/", basic(first))[0] == 401, served.told)
        second = served.token("second")
        assert served.get("/simple/thing/", basic(second))[0] == 200


@pytest.mark.parametrize(
    "serve", [{"networks": ["127.0.0.0/8", "::1/128"]}, {"anonymous": ["all"]}]
)
def test_who_needs_no_token_has_what_is_public_and_no_more(
    world: MakeWorld, serve: dict[str, Any]
) -> None:
    made = world(mirrors=0)
    made.index.add(wheels.wheel("thing", "1.0", size=1000))
    made.pages.credential = ("user", "hunter2")
    made.origin = made.origin.replace("://", "://user:hunter2@")
    with served_for(made, serve=serve) as served:
        private = served.token("corp", "--private", "default")
        other = served.token("other", "--private", "another")
        assert served.get("/simple/thing/", basic(private))[0] == 200
        page = json.loads(
            served.get(
                "/simple/thing/",
                {**basic(private), "Accept": "application/vnd.pypi.simple.v1+json"},
            )[2]
        )
        path = urljoin("/simple/thing/", page["files"][0]["url"])
        assert served.get(path, basic(private))[0] == 200
        for shown in ({}, basic(other)):
            for wanted in ("/simple/thing/", path):
                status, _, body = served.get(wanted, shown)
                assert status == 403, (wanted, body)
                assert b"hunter2" not in body
        assert "hunter2" not in served.told()


def test_engines_by_certificate(tmp_path: Path) -> None:
    """A node shows its certificate; who has one of another authority is nobody."""
    theirs = authority(tmp_path / "clients", "node-1.example")
    others = authority(tmp_path / "others", "node-1.example")
    serve = {"client_authorities": str(theirs.certificate)}
    hub = f"http://127.0.0.1:{free_port()}"
    made = Served(tmp_path / "served", named={"docker.io": hub}, ecosystem="docker", serve=serve)
    with made as served:

        def asks(folder: Path | None) -> int:
            context = ssl.create_default_context(cafile=str(served.authority))
            if folder is not None:
                context.load_cert_chain(folder / "server.pem", folder / "server.key")
            return served.get("/v2/", context=context)[0]

        assert asks(tmp_path / "clients") == 200
        assert asks(None) == 404
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            asks(tmp_path / "others")
        assert others.certificate.exists()
        served.tokens.write_text(
            '[[certificate]]\nname = "node"\nsubject = "localhost"\necosystems = ["python"]\n',
            "utf-8",
        )
        until(lambda: asks(tmp_path / "clients") == 404, served.told)


def test_a_new_certificate_needs_no_new_start(one: World) -> None:
    with served_for(one) as served:
        before = served.authority
        kept = http.client.HTTPSConnection(
            "localhost", served.port, context=ssl.create_default_context(cafile=str(before))
        )
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        # The key first: for a moment the two do not fit, and the old ones hold.
        made = authority(served.root / "newer")
        shutil.copy(served.root / "newer" / "server.key", served.root / "tls" / "server.key")
        assert served.get("/healthz")[0] == 200
        shutil.copy(served.root / "newer" / "server.pem", served.root / "tls" / "server.pem")

        def answers_with_the_new_one() -> bool:
            with contextlib.suppress(ssl.SSLError):
                context = ssl.create_default_context(cafile=str(made.certificate))
                return served.get("/healthz", context=context)[0] == 200
            return False

        until(answers_with_the_new_one, served.told)
        kept.request("GET", "/healthz")
        assert kept.getresponse().status == 200
        kept.close()


def test_a_download_under_way_ends_well_when_it_is_told_to_stop(
    world: MakeWorld, newest: Pip
) -> None:
    made = world(mirrors=0, origin_rate=4 * MB)
    built = wheels.wheel("large", "1.0", size=BIG)
    made.index.add(built)
    with served_for(made, serve={"drain_delay": 1.0}) as served:
        token = served.token("ci")
        newest.environment.variables["PIP_CERT"] = str(served.authority)
        newest.point_at(with_token(served, token))
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(newest.install("large")))
        thread.start()
        until(lambda: made.files.bytes_sent("*.whl") > MB, served.told)
        process = served.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        until(lambda: served.get("/readyz")[0] == 503, served.told)
        assert json.loads(served.get("/readyz")[2])["why"] == "it takes its leave"
        # Whoever is sent here all the same is served.
        assert served.get("/simple/large/", basic(token))[0] == 200
        thread.join(HANG)
        results[0].ok()
        assert newest.environment.holds(built.files())
        assert process.wait(HANG) == 0
        with pytest.raises(OSError):
            served.get("/healthz")


def test_one_client_has_so_many_answers_at_a_time_and_a_slow_one_keeps_nobody(
    one: World,
) -> None:
    """A client that takes all its turns and reads nothing waits for itself alone."""
    one.index.add(wheels.wheel("large", "1.0", size=BIG))
    with served_for(one, serve={"downloads_per_client": 2}) as served:
        slow, other = served.token("slow"), served.token("other")
        path = path_of(served, "large", slow)
        context = ssl.create_default_context(cafile=str(served.authority))
        open_ones = []
        for _ in range(2):
            each = http.client.HTTPSConnection("localhost", served.port, context=context)
            each.request("GET", path, headers=basic(slow))
            open_ones.append(each)
        [each.getresponse() for each in open_ones]
        status, headers, body = served.get("/simple/thing/", basic(slow))
        assert (status, headers["retry-after"]) == (429, "5"), body
        assert served.get("/simple/thing/", basic(other))[0] == 200
        for each in open_ones:
            each.close()
        until(lambda: served.get("/simple/thing/", basic(slow))[0] == 200, served.told)


def path_of(served: Served, project: str, token: str) -> str:
    accept = {"Accept": "application/vnd.pypi.simple.v1+json", **basic(token)}
    page = json.loads(served.get(f"/simple/{project}/", accept)[2])
    return str(urljoin(f"/simple/{project}/", page["files"][0]["url"]))


def test_bytes_are_counted_out_where_there_is_a_limit(one: World) -> None:
    """3 MB at 1 MB a second: nothing is faster than its share, and the bytes are right."""
    one.index.add(wheels.wheel("large", "1.0", size=3 * MB))
    with served_for(one, serve={"rate_per_client": 2 * MB}) as served:
        token = served.token("ci")
        path = path_of(served, "large", token)
        first = served.get(path, basic(token))[2]
        assert served.get(path, basic(token))[2] == first
        lines = [line for line in served.answers() if is_file(line)]
        # All of it but the first quarter of a second's worth had to wait.
        assert min(line["event.duration"] for line in lines) >= 1e9 * (len(first) / (2 * MB) - 1)


@pytest.fixture
def nginx() -> str:
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip(lacks("programs", "nginx is not installed here"))
    return program


@contextlib.contextmanager
def proxy(nginx: str, root: Path, behind: int, forwarded: str) -> Iterator[int]:
    """nginx in front, as `docs/fleet.md` has it."""
    port = free_port()
    root.mkdir()
    (root / "nginx.conf").write_text(
        f"""
daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
events {{}}
http {{
  access_log off; proxy_temp_path {root}/proxy; client_body_temp_path {root}/body;
  fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1;
      proxy_set_header Host $host; proxy_buffering off;
      proxy_set_header X-Forwarded-For "{forwarded}";
    }}
  }}
}}
""",
        "utf-8",
    )
    process = subprocess.Popen([nginx, "-c", str(root / "nginx.conf"), "-p", str(root)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(HANG)


def through(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": "mirror.lab.example", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_behind_nginx_a_client_is_who_nginx_says(one: World, nginx: str, tmp_path: Path) -> None:
    serve = {"networks": ["10.9.0.0/16"]}
    with served_for(one, tls=False, serve=serve) as served:
        said = "$http_x_test_client"
        with proxy(nginx, tmp_path / "nginx", served.port, said) as port:

            def asks(client: str, **headers: str) -> int:
                with contextlib.suppress(ConnectionError):
                    return through(port, "/simple/thing/", {"X-Test-Client": client, **headers})[0]
                return 0

            until(lambda: asks("10.9.0.5") == 200, served.told)
            assert asks("10.8.0.5") == 401
            # What a client wrote itself stands before what nginx wrote.
            assert asks("10.9.0.5, 10.8.0.5") == 401
            assert asks("10.8.0.5, 10.9.0.5") == 200
        (line,) = [each for each in served.answers() if each["client.ip"] == "10.9.0.5"][:1]
        assert line["user.name"] == "network"


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        ((), "no-tls"),
        (("--certificate", "nowhere.pem"), "nobody-known"),
        (("--certificate", "nowhere.pem", "--tokens", "tokens.toml"), "bad-certificates"),
        (("--behind-proxy", "--tokens", "nowhere.toml"), "bad-tokens"),
        (("--behind-proxy", "--certificate", "x.pem"), "two-ends-of-tls"),
        (("--behind-proxy", "--listen", "8443"), "bad-listen"),
    ],
)
def test_what_is_open_by_mistake_does_not_start(
    tmp_path: Path, words: tuple[str, ...], reference: str
) -> None:
    (tmp_path / "tokens.toml").touch(0o600)
    env = {**os.environ, "HEADRACE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    command = [*Served(tmp_path / "served").command, "serve", "--json", *words]
    command += ["--origin", "python=http://127.0.0.1:9/simple"]
    told = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=False)
    assert told.returncode != 0
    error = json.loads(told.stdout)["error"]
    assert error["reference"] == reference
    assert error["hint"]
