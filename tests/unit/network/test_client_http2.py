"""HTTP/2 for documents, HTTP/1.1 for bytes, over one trust, against nginx."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.network.client import Client
from lib import ports
from lib.certificates import authority

DATA = os.urandom(1 << 20)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the base URL of an nginx that speaks both, and the environment that trusts it."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("needs nginx")
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
          log_format proto '$server_protocol $request_method $uri $status';
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
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield f"https://127.0.0.1:{port}", {"SSL_CERT_FILE": str(company.certificate)}
    finally:
        process.terminate()
        process.wait()


def test_documents_share_one_connection_and_ranges_have_their_own(
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
    seen = (tmp_path / "access.log").read_text().splitlines()
    assert sorted(seen) == ["HTTP/1.1 GET /f.whl 206"] * 4 + ["HTTP/2.0 GET /page.json 200"] * 8
