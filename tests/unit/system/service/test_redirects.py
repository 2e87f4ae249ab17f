"""Where clients are sent while no worker answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import (
    Credential,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Reply,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
)
from headrace.system.service import responder
from headrace.system.service.redirects import FILE, record, redirects

ORIGIN = Origin("birds", "https://birds.example/list")


@dataclass
class Birds:
    """An ecosystem of two kinds of places, as far as it is asked here."""

    answer: str = "https://user:secret@birds.example/list/{}/"
    prefixes: tuple[str, ...] = ("/birds/", "/nests/", "/eggs/")

    def plan(self, request: Request) -> Plan:
        name = request.path.strip("/").partition("/")[2]
        if request.path.startswith("/birds/"):
            return ServeDocument(ORIGIN, self.answer.format(name), "*/*", name)
        if request.path.startswith("/nests/"):
            return PassThrough(ORIGIN, f"https://birds.example/nests/{name}")
        return ServeArtifact(request.path, None) if name else Refuse(404, "no")


def test_prefix_is_what_stands_before_a_name_that_nobody_has() -> None:
    assert redirects([Birds()]) == (  # type: ignore[list-item]
        "/birds/=https://birds.example/list/",
        "/nests/=https://birds.example/nests/",
    )


@pytest.mark.parametrize("answer", ["https://birds.example/?q={}&x=1", "https://birds.example/"])
def test_place_that_names_are_not_the_end_of_has_no_redirect(answer: str) -> None:
    assert redirects([Birds(answer, ("/birds/",))]) == ()  # type: ignore[list-item]


def test_origin_whose_login_stood_in_its_url_has_no_redirect() -> None:
    """Without the login its clients would be asked for a password there."""
    lent = DiscoveredOrigin(ORIGIN, "a file", Credential("me", "s3cret"))
    birds = [Birds(), Calls(prefixes=("/calls/",))]
    assert redirects(birds, [lent]) == ("/calls/=",)  # type: ignore[arg-type]
    other = DiscoveredOrigin(
        replace(ORIGIN, url="https://other.example"), "a file", lent.credential
    )
    assert len(redirects(birds, [other])) == 3  # type: ignore[arg-type]


def test_bug_of_an_ecosystem_leaves_the_others_their_redirects() -> None:
    class Broken(Birds):
        def plan(self, request: Request) -> Plan:
            raise RuntimeError(f"a bug at {request.path}")

    broken, birds = Broken(prefixes=("/fish/",)), Birds(prefixes=("/birds/",))
    found = redirects([broken, birds])  # type: ignore[list-item]
    assert found == ("/birds/=https://birds.example/list/",)


class Calls(Birds):
    """One that answers for itself."""

    def plan(self, request: Request) -> Plan:
        return Reply(Response(200)) if request.path == "/calls/" else Refuse(404, "no")


def test_prefix_that_answers_for_itself_sends_nobody_anywhere() -> None:
    assert redirects([Calls(prefixes=("/calls/",))]) == ("/calls/=",)  # type: ignore[list-item]


PAIRS = [
    ("/birds/", "https://birds.example/list/"),
    ("/birds/rare/", "https://rare.example/"),
    ("/calls/", ""),
]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (b"/birds/wren/", "https://birds.example/list/wren/"),
        (b"/birds/rare/dodo/", "https://rare.example/dodo/"),
        (b"/birds/wren/?q=1", "https://birds.example/list/wren/?q=1"),
        (b"/other", "/other"),
        (b"/for/aGk/birds/wren/", "https://birds.example/list/wren/"),
        (b"/for/aGk/other", "/for/aGk/other"),
        (b"/for/aGk", "/for/aGk"),
        (b"/calls/any", None),
        (b"/birds/../etc", None),
        (b"/birds/%2e%2e/etc", None),
        (b"/birds//x", None),
        (b"/birds/a\rb", None),
        (b"/birds/\xc3\xa9", None),
        (b"//evil.example/", None),
        (b"https://evil.example/", None),
    ],
)
def test_location(target: bytes, place: str | None) -> None:
    assert responder.location(target, PAIRS) == place


def test_a_responder_takes_from_a_file_what_the_worker_wrote(tmp_path: Path) -> None:
    file = tmp_path / FILE
    assert responder.written(str(file)) == []
    record(tmp_path, redirects([Birds()]))  # type: ignore[list-item]
    nests = ("/nests/", "https://birds.example/nests/")
    assert responder.written(str(file)) == [PAIRS[0], nests]
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "7", '{"/birds/": 1}', "null", "[", "\xff"])
def test_a_file_that_is_none_of_ours_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    assert responder.written(str(tmp_path / FILE)) == []


def test_no_answer_can_be_split() -> None:
    head = b"GET /birds/x%0d%0aSet-Cookie:a=b HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = responder.answer(head, PAIRS)
    assert answer.split(b"\r\n\r\n")[0].count(b"\r\n") == 4
    assert b"\r\nSet-Cookie" not in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /birds/x HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /birds/x HTTP/2.0\r\n\r\n", b"400"),
        (b"HEAD /birds/x HTTP/1.1\r\n\r\n", b"302"),
    ],
)
def test_status(head: bytes, status: bytes) -> None:
    answer = responder.answer(head, PAIRS)
    assert answer.split()[1] == status
    assert head[:4] != b"HEAD" or answer.endswith(b"\r\n\r\n")
