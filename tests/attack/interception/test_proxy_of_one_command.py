"""The forward proxy of a led command: nobody else's, no way to the gateway itself, no other host's
certificate. Real sockets, the real gateway.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography import x509

from headrace.gateway.intercepting.authority import RunAuthority
from lib.hostile.led import Led, Place, head_of, request_for, talk
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until


def test_whoever_has_not_the_token_gets_no_tunnel(led: Led) -> None:
    there = f"127.0.0.1:{led.world.pages.port}"
    assert led.status(there) == 200
    for wrong in ("", "wrong", led.token[:-1], led.token + "x", "../" + led.token):
        assert led.status(there, wrong) == 407, wrong


def test_token_is_worth_nothing_when_its_file_is_gone(led: Led) -> None:
    there = f"127.0.0.1:{led.world.pages.port}"
    assert led.status(there) == 200
    led.file.unlink()
    assert led.status(there) == 407


def test_token_is_worth_nothing_when_its_command_has_ended(led: Led) -> None:
    there = f"127.0.0.1:{led.world.pages.port}"
    held = led.runners.read_bytes()
    # Its file of the led is another one now, which nobody has locked: as after a kill.
    led.runners.unlink()
    led.runners.write_bytes(held)
    assert led.status(there) == 407
    assert not led.file.exists()


def test_proxy_leads_nobody_to_the_gateway_itself_nor_to_what_is_no_place(led: Led) -> None:
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "127.8.8.8", "[::ffff:127.0.0.1]"):
        assert led.status(f"{host}:{led.gateway.port}") == 403, host
    for target in ("", "nowhere", "a:b", "a:0", "a:99999", "u:p@a:443", "/a:443", "a:4/x", "a b:4"):
        assert led.status(target) == 400, target


@pytest.mark.parametrize(
    "target", ["no-such-host.invalid:443", "a%0d%0ax.invalid:443", "a%c3%a9.invalid:443"]
)
def test_status_line_of_a_refused_connect_says_why_and_is_one_line(led: Led, target: str) -> None:
    """pip shows nothing but this line: no client has a use for the body."""
    with led.connect(target) as made:
        line, _, rest = head_of(made).partition(b"\r\n")
    assert re.fullmatch(rb"HTTP/1\.1 (400|502) [A-Z][ -~]+ \(headrace: [ -~]{5,200}\)", line)
    assert rest.startswith(b"content-type: text/plain")


def test_certificate_is_for_the_led_hosts_alone_and_for_a_day_at_most(led: Led) -> None:
    made = x509.load_pem_x509_certificate(led.certificate.encode())
    basic = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value.path_length == 0
    names = made.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    permitted = {str(each.value) for each in names.value.permitted_subtrees or ()}
    assert permitted == {"headrace.invalid", "127.0.0.1/32"}
    assert made.not_valid_after_utc - made.not_valid_before_utc <= dt.timedelta(hours=24)
    assert led.file.stat().st_mode & 0o077 == 0
    assert led.file.parent.stat().st_mode & 0o077 == 0


def test_certificate_for_another_host_is_refused_though_the_key_has_signed_it(
    led: Led, tmp_path: Path
) -> None:
    """Whoever steals the key, too, can stand for the led hosts alone."""
    stolen = json.loads(led.file.read_bytes())
    forger = RunAuthority.unpack(stolen["certificate"], stolen["key"])
    for host, fits in (("127.0.0.1", True), ("127.0.0.2", False), ("bank.example", False)):
        served, asking = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = forger.context(host, tmp_path).wrap_bio(asking, served, server_side=True)
        trust = ssl.create_default_context(cadata=led.certificate)
        client = trust.wrap_bio(served, asking, server_hostname=host)
        refused: Exception | None = None
        for _ in range(4):
            for end in (client, server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as error:
                    refused = refused or error
        assert (refused is None) == fits, (host, refused)


def test_other_hosts_are_tunnelled_byte_for_byte(led: Led) -> None:
    """Who is no led host shows its own certificate: nobody else's would be trusted here."""
    with RecordingServer({"/x": b"own"}, name="other", tls=led.company.server) as other:
        answer = talk(led, other, request_for(other, "/x"), led.company.certificate.read_text())
        assert answer.endswith(b"own")
        assert [seen.path for seen in other.seen] == ["/x"]


def test_what_is_sent_before_the_tunnel_is_there_is_not_lost(led: Led) -> None:
    with RecordingServer({"/x": b"own"}, name="other") as other:
        pair = base64.b64encode(f"headrace:{led.token}".encode()).decode()
        there = f"127.0.0.1:{other.port}"
        head = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\nProxy-Authorization: Basic {pair}"
        all_at_once = f"{head}\r\n\r\n".encode() + request_for(other, "/x")
        with socket.create_connection(("127.0.0.1", led.gateway.port), timeout=HANG) as sock:
            sock.sendall(all_at_once)
            got = b"".join(iter(lambda: sock.recv(65536), b""))
        assert got.endswith(b"own")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
@pytest.mark.parametrize("answer", [b"", b"bye"])
def test_tunnel_whose_ends_have_both_ended_leaves_nothing_open(led: Led, answer: bytes) -> None:
    process = led.gateway.process
    assert process is not None

    def opened() -> int:
        return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

    def answers_at_the_end() -> None:
        for _ in range(8):
            made, _ = listening.accept()
            with made:
                assert b"".join(iter(partial(made.recv, 100), b"")) == b"hello"
                made.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool:
        serving = pool.submit(answers_at_the_end)
        before = opened()
        for _ in range(8):
            with led.connect(f"127.0.0.1:{listening.getsockname()[1]}") as sock:
                assert head_of(sock).startswith(b"HTTP/1.1 200 ")
                sock.sendall(b"hello")
                sock.shutdown(socket.SHUT_WR)
                assert b"".join(iter(partial(sock.recv, 100), b"")) == answer
        serving.result()
        until(lambda: opened() <= before + 1)


def test_whole_url_within_tls_is_asked_of_the_host_that_the_tunnel_is_to(led: Led) -> None:
    index, other = led.world.pages, "https://me:secret@other.example"
    for target in (f"https://127.0.0.1:{index.port}/own?q=1", f"{other}/own?q=1"):
        index.content["/own"] = b"own"
        index.forget()
        assert talk(led, index, request_for(index, target), led.certificate).endswith(b"own")
        assert [seen.path for seen in index.seen] == ["/own"]
    assert "secret" not in led.gateway.told()


def test_login_goes_to_its_origin_alone_and_is_kept_nowhere(led: Led) -> None:
    index, secret = led.world.pages, base64.b64encode(b"me:verysecret").decode()
    asked = request_for(index, "/simple/thing/", f"Authorization: Basic {secret}", "Accept: */*")
    assert b" 200 " in talk(led, index, asked, led.certificate)
    assert index.seen[-1].headers["authorization"] == f"Basic {secret}"
    assert not led.world.at_mirrors()
    assert "headrace" not in index.seen[-1].headers.get("user-agent", "")
    kept = b"".join(p.read_bytes() for p in led.gateway.root.rglob("*") if p.is_file())
    assert secret.encode() not in kept
    assert b"verysecret" not in kept
    # From now on that host is none of ours to look into.
    company = led.company.certificate.read_text("utf-8")
    assert b" 200 " in talk(led, index, request_for(index, "/simple/thing/"), company)


@pytest.mark.parametrize("pattern", ["127.0.0.1", "*.127.0.0.1", "*.0.0.1", "*"])
def test_host_at_which_the_user_has_a_login_is_not_led(place: Place, pattern: str) -> None:
    def asked(*alone: str) -> dict[str, object]:
        table = {"runners": "none", "alone": alone, "environment": {}}
        query = urlencode({"asked": json.dumps(table)})
        told: dict[str, object] = json.loads(place.gateway.get(f"/interception?{query}")[2])
        return told

    assert "login" in str(asked("other.example", pattern)["error"])
    assert asked("other.example", "*.example", "27.0.0.1", "*.7.0.0.1")["hosts"]


def test_what_is_no_package_goes_to_the_origin_as_it_was_asked(led: Led) -> None:
    index = led.world.pages
    index.content["/upload"] = b"stored"
    asked = request_for(index, "/upload", "X-Own: 1", body=b"x" * 300_000)
    talk(led, index, asked, led.certificate)
    (seen,) = index.requests("/upload", "POST")
    assert seen.headers["x-own"] == "1"
    assert seen.headers["content-length"] == "300000"
    assert not {"proxy-authorization", "via", "forwarded", "x-forwarded-for"} & set(seen.headers)


def test_host_header_of_another_place_is_no_way_into_the_store(led: Led) -> None:
    index = led.world.pages
    accept = "Accept: application/vnd.pypi.simple.v1+json, text/html;q=0.1"
    own = request_for(index, "/simple/thing/", accept)
    assert b"thing-1.0" in talk(led, index, own, led.certificate)
    assert index.seen[-1].headers["user-agent"].startswith("headrace/")
    asked = own.replace(b"Host: 127.0.0.1", b"Host: other.example")
    talk(led, index, asked, led.certificate)
    assert index.seen[-1].headers["host"].startswith("other.example")
