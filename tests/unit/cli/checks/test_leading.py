"""What the doctor says where headrace's own part of the chain is broken."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from headrace.cli.checks.leading import gone
from headrace.cli.runs.leading import Lead
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Origin
from lib.serving import modes
from lib.serving.certificates import authority
from lib.serving.ports import free_port
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG


@pytest.mark.parametrize(
    ("broken", "level", "told"),
    [
        ("", "ok", "proxy, authority, page"),
        ("proxy", "failure", "is no proxy"),
        ("refusing", "failure", "is no proxy"),
        ("authority", "failure", "not trusted"),
        ("page", "failure", "answers, and through the proxy it does not"),
    ],
)
def test_what_headrace_breaks_is_called_its_own_fault(
    tmp_path: Path, broken: str, level: str, told: str
) -> None:
    company, other = (authority(tmp_path / name) for name in ("company", "other"))
    with RecordingProxy() as proxy, RecordingServer({"/simple/": b"page"}, tls=company.server) as s:
        lead = Lead(proxy.url.replace("//", "//headrace:token@"), "", (), 0.0, tmp_path)
        bundle = (other if broken == "authority" else company).certificate
        if broken == "proxy":
            lead = dataclasses.replace(lead, proxy=f"http://headrace:x@127.0.0.1:{free_port()}")
        if broken == "refusing":
            lead = dataclasses.replace(lead, proxy=f"http://headrace:x@127.0.0.1:{s.port}")
        if broken == "page":
            # The doctor through the proxy; what asks past it, for a head, has its answer.
            s.fail(modes.GARBAGE, methods=("GET",))
        origin = DiscoveredOrigin(Origin("python", f"{s.url}/simple"), "a test")
        found = gone(lead, origin, bundle, {"SSL_CERT_FILE": str(company.certificate)})
    assert found.level == level, found
    assert told in found.text
    assert ("headrace's own fault" in found.hint) is bool(broken)


def test_who_answers_neither_way_is_asked_both_ways_at_once(tmp_path: Path) -> None:
    """Each ends when both have come."""
    company, together = authority(tmp_path / "company"), threading.Barrier(2)

    def answer(_: str, __: Mapping[str, str]) -> Reply:
        together.wait(HANG)
        return Reply(b"page")

    with RecordingProxy() as proxy, RecordingServer({"/simple/": answer}, tls=company.server) as s:
        lead = Lead(proxy.url.replace("//", "//headrace:token@"), "", (), 0.0, tmp_path)
        origin = DiscoveredOrigin(Origin("python", f"{s.url}/simple"), "a test")
        env = {"SSL_CERT_FILE": str(company.certificate)}
        try:
            found = gone(lead, origin, company.certificate, env)
        finally:
            together.abort()
    assert found.level == "ok", found
    assert {seen.method for seen in s.requests()} == {"GET", "HEAD"}
