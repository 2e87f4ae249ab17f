"""Certificate authorities: whom we trust, and what is said when we do not. With real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError, UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import Initiator
from headrace.upstream.client import Client
from headrace.upstream.tls import Authorities, TrustStore
from lib.serving import ports
from lib.serving.certificates import Authority, authority
from lib.serving.servers import RecordingServer, Reply

MINE, MIRROR = "https://127.0.0.1/mine", "https://127.0.0.1/mirror"
DATA = os.urandom(3 << 20)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("company"))


@pytest.fixture
def server(company: Authority) -> Iterator[RecordingServer]:
    with RecordingServer({"/f.whl": DATA}, tls=company.server) as running:
        yield running


def read(env: Mapping[str, str], url: str, *, times: int = 1) -> list[bool]:
    """Read the file in `times` ranges and as a document; give which connections were fresh."""

    async def main() -> list[bool]:
        client = Client(env)
        fresh = []
        try:
            step = len(DATA) // times
            for start in range(0, len(DATA), step):
                async with client.open_range(url, start, start + step) as stream:
                    body = b"".join([part async for part in stream])
                    fresh.append(stream.fresh)
                assert body == DATA[start : start + step]
            assert (await client.fetch(url)).body == DATA
        finally:
            await client.aclose()
        return fresh

    return asyncio.run(main())


@pytest.mark.parametrize(
    "name",
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"],
)
def test_a_companys_authority_is_trusted_by_each_variable(
    company: Authority, server: RecordingServer, name: str
) -> None:
    env = {name: str(company.certificate)}
    assert read(env, f"{server.url}/f.whl", times=3) == [True, False, False]


def test_a_folder_of_hashed_certificates_is_trusted(
    company: Authority, server: RecordingServer, tmp_path: Path
) -> None:
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(company.certificate)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(company.certificate.read_bytes())
    read({"SSL_CERT_DIR": str(tmp_path)}, f"{server.url}/f.whl")
    read({"REQUESTS_CA_BUNDLE": str(tmp_path)}, f"{server.url}/f.whl")


def test_an_authority_that_is_not_trusted_is_a_fault_with_a_hint(
    server: RecordingServer, tmp_path: Path
) -> None:
    other = authority(tmp_path / "other")
    for env in ({}, {"SSL_CERT_FILE": str(other.certificate)}):
        with pytest.raises(UpstreamError) as caught:
            read(env, f"{server.url}/f.whl")
        assert caught.value.fault is Fault.TLS
        assert "certificate" in caught.value.message
        assert "SSL_CERT_FILE" in caught.value.hint
    assert str(other.certificate) in caught.value.hint


def test_the_first_variable_wins_and_replaces_all_other_roots(
    company: Authority, server: RecordingServer, tmp_path: Path
) -> None:
    other = authority(tmp_path / "other")
    env = {"SSL_CERT_FILE": str(other.certificate), "PIP_CERT": str(company.certificate)}
    with pytest.raises(UpstreamError) as caught:
        read(env, f"{server.url}/f.whl")
    assert caught.value.fault is Fault.TLS


def test_an_empty_variable_is_not_set(company: Authority, server: RecordingServer) -> None:
    env = {"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": str(company.certificate)}
    read(env, f"{server.url}/f.whl")


def test_another_host_name_is_not_trusted(company: Authority, server: RecordingServer) -> None:
    env = {"SSL_CERT_FILE": str(company.certificate)}
    with pytest.raises(UpstreamError) as caught:
        read(env, f"https://127.0.0.2:{server.port}/f.whl")
    # Nobody listens there; if somebody does, the name must not fit.
    assert caught.value.fault in (Fault.TLS, Fault.REFUSED)
    with ports.refusing() as url, pytest.raises(UpstreamError) as caught:
        read(env, url.replace("http:", "https:") + "/f.whl")
    assert caught.value.fault is Fault.REFUSED


def test_a_server_without_tls_is_a_tls_fault(company: Authority) -> None:
    with RecordingServer({}) as plain:
        url = plain.url.replace("http:", "https:")
        with pytest.raises(UpstreamError) as caught:
            read({"SSL_CERT_FILE": str(company.certificate)}, url)
    assert caught.value.fault is Fault.TLS


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT"])
def test_a_path_that_is_not_there_is_said_once_and_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        Client({name: str(tmp_path / "nothing.pem")})
    assert caught.value.reference == "bad-certificates"
    assert name in caught.value.hint


def test_a_file_that_is_no_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("hello")
    roots = TrustStore({"SSL_CERT_FILE": str(tmp_path / "x.pem")})
    with pytest.raises(ConfigurationError, match=r"x\.pem"):
        roots.context()


def test_without_variables_the_system_and_certifi_are_trusted() -> None:
    context = TrustStore({}).context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


def test_redirects_from_tls_to_the_open_are_refused(
    company: Authority, server: RecordingServer
) -> None:
    with RecordingServer({"/f.whl": DATA}) as plain:
        location = {"Location": f"{plain.url}/f.whl"}
        server.content["/f.whl"] = Reply(b"", status=302, headers=location)
        with pytest.raises(UpstreamError, match="https to http"):
            read({"SSL_CERT_FILE": str(company.certificate)}, f"{server.url}/f.whl")
        assert not plain.seen


def test_authorities_of_one_tool_count_in_its_name_alone(
    company: Authority, server: RecordingServer, tmp_path: Path
) -> None:
    other = authority(tmp_path)
    own = Authorities((str(company.certificate),), alone=True)
    beside = Authorities((str(company.certificate),), alone=False)
    told = {MINE: own, MIRROR: beside}

    async def ask(client: Client, url: str, home: str) -> None:
        await client.fetch(url, initiator=Initiator(home, trusted=True))

    async def main(env: Mapping[str, str], url: str, *, others: bool) -> None:
        client = Client(env, authorities=lambda initiator: told.get(initiator.home))
        try:
            # Once more when the tool has a connection there: it is not the others'.
            for _ in range(2):
                await ask(client, url, MINE)
                await ask(client, url, MIRROR)
                if others:
                    await ask(client, url, url)
                    continue
                with pytest.raises(UpstreamError) as caught:
                    await ask(client, url, url)
                assert caught.value.fault is Fault.TLS
        finally:
            await client.aclose()

    with RecordingServer({"/f.whl": DATA}, tls=other.server) as theirs:
        others_trust = {"SSL_CERT_FILE": str(other.certificate)}
        ours = f"{server.url}/f.whl"
        asyncio.run(main(others_trust, ours, others=False))
        asyncio.run(main({"SSL_CERT_FILE": str(company.certificate)}, ours, others=True))

        async def the_other_way_round() -> None:
            """What the tool does not trust it is not given, whatever others trust."""
            client = Client(others_trust, authorities=lambda initiator: told.get(initiator.home))
            try:
                with pytest.raises(UpstreamError) as caught:
                    await ask(client, f"{theirs.url}/f.whl", MINE)
                assert caught.value.fault is Fault.TLS
                assert str(company.certificate) in caught.value.hint
                await ask(client, f"{theirs.url}/f.whl", MIRROR)
            finally:
                await client.aclose()

        asyncio.run(the_other_way_round())


@pytest.mark.parametrize("content", [None, "hello"])
def test_file_of_a_tools_own_that_cannot_be_used_is_told_of_its_own_origin(
    company: Authority, server: RecordingServer, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "own.pem"
    if content is not None:
        path.write_text(content)
    told = {MINE: Authorities((str(path),), alone=True)}
    env = {"SSL_CERT_FILE": str(company.certificate)}

    async def main() -> None:
        client = Client(env, authorities=lambda initiator: told.get(initiator.home))
        try:
            with pytest.raises(UpstreamError, match=r"own\.pem") as caught:
                await client.fetch(f"{server.url}/f.whl", initiator=Initiator(MINE, trusted=True))
            assert caught.value.fault is Fault.TLS
            assert (await client.fetch(f"{server.url}/f.whl")).body == DATA
        finally:
            await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("proto", ["http/1.1", "h2"])
def test_silence_within_tls_is_silence_and_no_fault_of_tls(tmp_path: Path, proto: str) -> None:
    company = authority(tmp_path)
    company.server.set_alpn_protocols([proto])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            plain, _ = listener.accept()
            with (
                contextlib.suppress(OSError),
                company.server.wrap_socket(plain, server_side=True) as live,
            ):
                while live.recv(65536):
                    pass

        thread = threading.Thread(target=accept)
        thread.start()

        async def main() -> UpstreamError:
            client = Client({"SSL_CERT_FILE": str(company.certificate)})
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            try:
                with pytest.raises(UpstreamError) as caught:
                    await client.fetch(url, timeout=0.5)
                return caught.value
            finally:
                await client.aclose()

        error = asyncio.run(main())
        thread.join()
    assert error.fault is Fault.SILENT
    assert "trusted roots" not in error.hint
