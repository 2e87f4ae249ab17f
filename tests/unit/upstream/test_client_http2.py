"""HTTP/2 for documents, HTTP/1.1 for bytes, over one trust, against nginx."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.upstream.client import Client
from headrace.upstream.http2_pool import CONNECTIONS, SPREAD, STREAMS, Http2Pool
from headrace.upstream.tls import Authorities, SharedContext, TrustStore
from lib.capabilities import lacks
from lib.serving import ports
from lib.serving.certificates import authority
from lib.waiting import until

DATA = os.urandom(1 << 20)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the base URL of an nginx that speaks both, and the environment that trusts it."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip(lacks("programs", "nginx is not installed here"))
    company = authority(tmp_path / "company")
    port = ports.free_port()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "f.whl").write_bytes(DATA)
    (tmp_path / "www" / "page.json").write_text("{}" * 500)
    (tmp_path / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
        events {{ }}
        http {{
          log_format proto '$server_protocol $request_method $uri $status $connection';
          access_log {tmp_path}/access.log proto;
          client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};
          fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
          server {{
            listen 127.0.0.1:{port} ssl http2;
            ssl_certificate {tmp_path}/company/server.pem;
            ssl_certificate_key {tmp_path}/company/server.key;
            root {tmp_path}/www;
          }}
        }}
        """
    )
    process = subprocess.Popen([program, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)])
    try:

        def listens() -> bool:
            assert process.poll() is None, (tmp_path / "error.log").read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return True
            return False

        until(listens)
        yield f"https://127.0.0.1:{port}", {"SSL_CERT_FILE": str(company.certificate)}
    finally:
        process.terminate()
        process.wait()


def test_documents_share_few_connections_and_ranges_have_their_own(
    nginx: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    url, env = nginx

    async def main() -> None:
        client = Client(env)

        async def part(start: int) -> bytes:
            async with client.open_range(f"{url}/f.whl", start, start + (1 << 18)) as stream:
                return b"".join([piece async for piece in stream])

        async def page() -> int:
            return len((await client.fetch(f"{url}/page.json")).body)

        # All at once, so that the two protocols meet on the one context.
        pages = [page() for _ in range(8)]
        parts = [part(start) for start in range(0, 1 << 20, 1 << 18)]
        sizes, bodies = await asyncio.gather(asyncio.gather(*pages), asyncio.gather(*parts))
        assert set(sizes) == {1000}
        assert b"".join(bodies) == DATA
        await client.aclose()

    asyncio.run(main())
    seen = [line.rsplit(" ", 1) for line in (tmp_path / "access.log").read_text().splitlines()]
    asked = sorted(what for what, _ in seen)
    assert asked == ["HTTP/1.1 GET /f.whl 206"] * 4 + ["HTTP/2.0 GET /page.json 200"] * 8
    by_page = {connection for what, connection in seen if "HTTP/2.0" in what}
    assert len(by_page) == -(-8 // STREAMS)
    assert by_page.isdisjoint(connection for what, connection in seen if "HTTP/1.1" in what)


def test_documents_that_follow_each_other_keep_to_one_connection(
    nginx: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    url, env = nginx

    async def main() -> None:
        client = Client(env)
        for _ in range(5):
            await client.fetch(f"{url}/page.json")
        await client.aclose()

    asyncio.run(main())
    log = (tmp_path / "access.log").read_text().splitlines()
    assert len(log) == 5
    assert len({line.rsplit(" ", 1)[1] for line in log}) == 1


def test_burst_fills_the_first_connections_and_then_shares_all() -> None:
    pool = Http2Pool()
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(pool.take("a:443")) for _ in range(CONNECTIONS * STREAMS + 2)]
        other = stack.enter_context(pool.take("b:443"))
    evenly = [connection for connection in range(CONNECTIONS) for _ in range(STREAMS)]
    assert taken == [*evenly, 0, 1]
    assert other == 0
    with pool.take("a:443") as again:
        assert again == 0


def test_what_is_to_be_spread_goes_over_several_connections_and_opens_no_last_one() -> None:
    pool = Http2Pool()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(pool.take("a:443"))
        taken = [stack.enter_context(pool.take("a:443", spread=True)) for _ in range(SPREAD + 1)]
    assert [first, *taken] == [0, *range(1, SPREAD), 0, 1]
    assert SPREAD < CONNECTIONS


def test_pages_and_bytes_of_the_same_moment_agree_on_their_own_protocols(
    nginx: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    """Their contexts share one list, which each sets when its connection's TLS begins."""
    url, env = nginx

    async def main() -> None:
        client = Client(env)

        async def read(number: int) -> None:
            if number % 2:
                await client.fetch(f"{url}/page.json")
                return
            async with client.open_range(f"{url}/f.whl", 0, 9) as stream:
                assert [piece async for piece in stream] == [DATA[:9]]

        try:
            await asyncio.gather(*map(read, range(20)))
        finally:
            await client.aclose()

    asyncio.run(main())
    lines = [line.split()[:3:2] for line in (tmp_path / "access.log").read_text().splitlines()]
    assert sorted(map(tuple, lines)) == [
        *[("HTTP/1.1", "/f.whl")] * 10,
        *[("HTTP/2.0", "/page.json")] * 10,
    ]


def test_the_authorities_are_read_once(
    nginx: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, env = nginx
    made: list[object] = []
    context = TrustStore.context

    def recorded(roots: TrustStore, own: Authorities | None = None) -> ssl.SSLContext:
        made.append(own)
        return context(roots, own)

    monkeypatch.setattr(TrustStore, "context", recorded)

    async def main() -> None:
        client = Client(env)
        try:
            client.prepare()
            await client.fetch(f"{url}/page.json")
            async with client.open_range(f"{url}/f.whl", 0, 9) as stream:
                assert [piece async for piece in stream] == [DATA[:9]]
        finally:
            await client.aclose()

    asyncio.run(main())
    assert made == [None]


def test_no_context_is_told_to_agree_on_two_things(
    nginx: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections share it, and the loop makes their TLS objects later than they set its list."""
    url, env = nginx
    told: dict[ssl.SSLContext, set[tuple[str, ...]]] = {}
    set_protocols = SharedContext.set_alpn_protocols

    def recorded(context: SharedContext, protocols: list[str]) -> None:
        told.setdefault(context, set()).add(tuple(protocols))
        set_protocols(context, protocols)

    monkeypatch.setattr(SharedContext, "set_alpn_protocols", recorded)

    async def main() -> None:
        client = Client(env)
        try:
            await client.fetch(f"{url}/page.json")
            async with client.open_range(f"{url}/f.whl", 0, 9) as stream:
                assert [piece async for piece in stream] == [DATA[:9]]
        finally:
            await client.aclose()

    asyncio.run(main())
    lines = (tmp_path / "access.log").read_text().splitlines()
    spoken = {tuple(line.split()[:3:2]) for line in lines}
    assert spoken == {("HTTP/1.1", "/f.whl"), ("HTTP/2.0", "/page.json")}
    assert sorted(map(sorted, told.values())) == [[("http/1.1",)], [("http/1.1", "h2")]]
