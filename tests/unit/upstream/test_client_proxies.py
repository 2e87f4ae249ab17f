"""Outgoing proxies: which one, for which host, and real requests through a real one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import selectors
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from headrace.errors import ConfigurationError, UpstreamError
from headrace.models import Fault
from headrace.upstream.client import Client
from headrace.upstream.proxies import Proxies
from lib.serving import ports
from lib.serving.certificates import authority
from lib.serving.servers import RecordingServer

DATA = os.urandom(300_000)
#: No resolver knows it: only through the proxy can it be reached.
HOST = "files.mirror.invalid"


class Office:
    """A proxy that leads every host name to one loopback port, as a company's leads outside."""

    def __init__(self, target: int, *, demand: str | None = None) -> None:
        self.heads: list[list[str]] = []
        self._target = target
        self._demand = demand
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def lines(self) -> list[str]:
        return [head[0] for head in self.heads]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(65536)
                if not part:
                    return
                head += part
            lines = head.decode("latin-1").split("\r\n")
            self.heads.append(lines)
            allowed = f"proxy-authorization: Basic {self._demand}".lower()
            if self._demand and allowed not in [line.lower() for line in lines]:
                refusal = "HTTP/1.1 407 Proxy Authentication Required"
                client.sendall(f"{refusal}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            with socket.create_connection(("127.0.0.1", self._target)) as upstream:
                if lines[0].startswith("CONNECT "):
                    client.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                else:
                    # Absolute form becomes origin form; one request for each connection.
                    first = lines[0].replace(f"http://{HOST}", "", 1)
                    rest = [line for line in lines[1:] if not line.lower().startswith("conn")]
                    upstream.sendall(
                        "\r\n".join([first, "Connection: close", *rest]).encode("latin-1")
                    )
                self._pump(client, upstream)

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ, other)
            selector.register(other, selectors.EVENT_READ, one)
            while not self._over.is_set():
                for key, _ in selector.select(0.05):
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)


def fetch(env: Mapping[str, str], url: str) -> bytes:
    async def main() -> bytes:
        client = Client(env)
        try:
            async with client.open_range(url, 0, len(DATA)) as stream:
                ranged = b"".join([part async for part in stream])
            answer = await client.fetch(url)
            assert answer.body == ranged
            return answer.body
        finally:
            await client.aclose()

    return asyncio.run(main())


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer({"/f.whl": DATA}) as running:
        yield running


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_plain_upstreams_are_asked_through_the_proxy(server: RecordingServer, name: str) -> None:
    with Office(server.port) as office:
        assert fetch({name: office.url}, f"http://{HOST}/f.whl") == DATA
        assert office.lines == [f"GET http://{HOST}/f.whl HTTP/1.1"] * 2
    assert server.seen[0].headers["range"] == f"bytes=0-{len(DATA) - 1}"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_tls_goes_through_the_proxy_untouched(tmp_path: Path, name: str) -> None:
    company = authority(tmp_path)
    # A certificate for the name, from the same authority.
    (tmp_path / "names").write_text(f"subjectAltName=DNS:{HOST}\n", "utf-8")
    command = "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
    command += " -extfile names -out named.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "named.pem", tmp_path / "server.key")
    with (
        RecordingServer({"/f.whl": DATA}, tls=context) as server,
        Office(server.port) as office,
    ):
        env = {name: office.url, "SSL_CERT_FILE": str(company.certificate)}
        assert fetch(env, f"https://{HOST}/f.whl") == DATA
        assert set(office.lines) == {f"CONNECT {HOST}:443 HTTP/1.1"}
        heads = "".join(line for head in office.heads for line in head).lower()
        assert "authorization" not in heads
        # What the proxy cannot give a trusted certificate for is not taken from it.
        with pytest.raises(UpstreamError) as caught:
            fetch(env, "https://other.invalid/f.whl")
        assert caught.value.fault is Fault.TLS


def test_a_proxys_password_goes_to_the_proxy_alone(server: RecordingServer) -> None:
    secret = base64.b64encode(b"me:p@ss").decode()
    with Office(server.port, demand=secret) as office:
        url = office.url.replace("://", "://me:p%40ss@")
        assert fetch({"http_proxy": url}, f"http://{HOST}/f.whl") == DATA
        with pytest.raises(UpstreamError, match="password") as error:
            fetch({"http_proxy": office.url}, f"http://{HOST}/")
    assert error.value.fault is Fault.UNREACHABLE
    with ports.refusing() as nobody:
        proxy = nobody.replace("://", "://me:hush@")
        with pytest.raises(UpstreamError) as error:
            fetch({"http_proxy": proxy}, f"http://{HOST}/")
    assert error.value.fault is Fault.REFUSED
    assert "proxy" in error.value.hint
    assert "hush" not in str(error.value)


def test_a_proxy_that_refuses_a_tunnel_is_told(server: RecordingServer) -> None:
    with Office(server.port, demand="bm90aGluZw==") as office:
        env = {"https_proxy": office.url}
        with pytest.raises(UpstreamError) as error:
            fetch(env, f"https://{HOST}/f.whl")
    assert error.value.fault is Fault.UNREACHABLE
    assert "407" in str(error.value)


def test_loopback_is_never_proxied(server: RecordingServer) -> None:
    with ports.refusing() as nobody:
        env = {"HTTP_PROXY": nobody, "ALL_PROXY": nobody}
        assert fetch(env, f"{server.url}/f.whl") == DATA
        assert fetch(env, f"http://localhost:{server.port}/f.whl") == DATA


P = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("env", "url", "proxy"),
    [
        ({}, "https://a.example/", None),
        ({"HTTPS_PROXY": P}, "https://a.example/", P),
        ({"HTTPS_PROXY": P}, "http://a.example/", None),
        ({"HTTPS_PROXY": P, "https_proxy": ""}, "https://a.example/", None),
        ({"HTTPS_PROXY": P, "https_proxy": "http://b:1"}, "https://a.example/", "http://b:1"),
        ({"ALL_PROXY": P, "http_proxy": "http://b:1"}, "http://a.example/", "http://b:1"),
        ({"ALL_PROXY": P, "http_proxy": "http://b:1"}, "https://a.example/", P),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.example/", P),
        ({"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, "http://a.example/", None),
        ({"ALL_PROXY": P}, "https://127.0.0.1/", None),
        ({"ALL_PROXY": P}, "https://127.3.2.1:8/", None),
        ({"ALL_PROXY": P}, "https://[::1]:8/", None),
        ({"ALL_PROXY": P}, "https://LocalHost/", None),
        ({"ALL_PROXY": P}, "https://x.localhost/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "*"}, "https://a.example/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "a.example"}, "https://a.example/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "a.example"}, "https://x.a.example/", None),
        ({"ALL_PROXY": P, "NO_PROXY": ".a.example"}, "https://x.a.example/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "*.a.example"}, "https://x.a.example/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "a.example"}, "https://ba.example/", P),
        ({"ALL_PROXY": P, "NO_PROXY": "b, a.example"}, "https://A.Example./", None),
        ({"ALL_PROXY": P, "NO_PROXY": "b a.example"}, "https://a.example/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "a.example:8443"}, "https://a.example:8443/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "a.example:8443"}, "https://a.example/", P),
        ({"ALL_PROXY": P, "NO_PROXY": "10.0.0.0/8"}, "https://10.9.8.7/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "10.0.0.0/8"}, "https://11.9.8.7/", P),
        ({"ALL_PROXY": P, "NO_PROXY": "10.0.0.0/8"}, "https://a.example/", P),
        ({"ALL_PROXY": P, "NO_PROXY": "fd00::/8"}, "https://[fd00::7]/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "fd00::7"}, "https://[fd00::7]:81/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "[fd00::7]"}, "https://[fd00::7]:81/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "10.1.2.3"}, "https://10.1.2.3/", None),
        ({"ALL_PROXY": P, "NO_PROXY": "2.3"}, "https://10.1.2.3/", P),
        ({"ALL_PROXY": P, "NO_PROXY": "nonsense/99,,"}, "https://a.example/", P),
        ({"ALL_PROXY": P, "NO_PROXY": "b", "no_proxy": "a.example"}, "https://a.example/", None),
    ],
)
def test_the_proxy_for_a_host(env: dict[str, str], url: str, proxy: str | None) -> None:
    assert Proxies(env).choose(url) == proxy


@pytest.mark.parametrize("value", ["http://", "gopher://x:1", "http://h:99999", "http://[x"])
def test_an_address_that_is_none_is_said_without_its_secret(value: str) -> None:
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        Proxies({"HTTPS_PROXY": value})
    with pytest.raises(ConfigurationError) as caught:
        Proxies({"HTTPS_PROXY": "gopher://me:hush@x:1"})
    assert "hush" not in str(caught.value)
