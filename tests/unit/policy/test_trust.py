"""Who may supply what, and who sees a credential."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from headrace.models import Artifact, Digest, Mirror, OperatorClass, Origin
from headrace.policy import trust

TODAY = dt.date(2026, 5, 1)
PUBLIC = Origin("python", "https://index.example/simple")
PRIVATE = Origin("python", "https://corp.example:8443/api/simple", private=True)
FILE = Artifact(
    "python",
    "/packages/f.whl",
    "f.whl",
    "https://files.example/f.whl",
    PUBLIC,
    digest=Digest("sha256", "0" * 64),
)
CAMPUS = Mirror(
    "campus",
    "python",
    "https://mirror.campus.example/pypi",
    "packages",
    operator_class=OperatorClass.UNIVERSITY,
    gives_documents=True,
)


def test_a_mirror_may_give_bytes_that_a_digest_checks() -> None:
    assert trust.may_supply_bytes(FILE, CAMPUS)


@pytest.mark.parametrize(
    "artifact",
    [
        replace(FILE, origin=PRIVATE),
        replace(FILE, digest=None),
        replace(FILE, mirrored=False),
        replace(FILE, ecosystem="conda"),
    ],
    ids=["private", "no digest", "not mirrored", "another ecosystem"],
)
def test_a_mirror_is_not_even_asked(artifact: Artifact) -> None:
    assert not trust.may_supply_bytes(artifact, CAMPUS)


def test_a_named_operators_page_may_stand_in() -> None:
    assert trust.may_supply_document(PUBLIC, CAMPUS, TODAY)


def test_a_page_does_not_stand_in_on_the_strength_of_old_evidence() -> None:
    old = replace(CAMPUS, evidence_until=TODAY - dt.timedelta(days=1))
    assert not trust.may_supply_document(PUBLIC, old, TODAY)
    assert trust.may_supply_document(PUBLIC, old, TODAY, agreed=True)
    fresh = replace(CAMPUS, evidence_until=TODAY)
    assert trust.may_supply_document(PUBLIC, fresh, TODAY)


def test_pages_that_agreed_make_nobody_a_source_of_pages_who_is_none() -> None:
    nameless = replace(CAMPUS, operator_class=OperatorClass.COMMUNITY)
    assert not trust.may_supply_document(PUBLIC, nameless, TODAY, agreed=True)
    assert not trust.may_supply_document(PRIVATE, CAMPUS, TODAY, agreed=True)


@pytest.mark.parametrize(
    "mirror",
    [
        replace(CAMPUS, operator_class=OperatorClass.COMMUNITY),
        replace(CAMPUS, gives_documents=False),
        replace(CAMPUS, ecosystem="conda"),
        replace(CAMPUS, url="http://mirror.campus.example/pypi"),
    ],
    ids=["nameless", "gives none", "another ecosystem", "in the open"],
)
def test_a_page_of_these_never_does(mirror: Mirror) -> None:
    assert not trust.may_supply_document(PUBLIC, mirror, TODAY)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]"])
def test_a_page_of_this_machine_may_come_in_the_open(host: str) -> None:
    here = replace(CAMPUS, url=f"http://{host}:8080/pypi")
    assert trust.may_supply_document(PUBLIC, here, TODAY)


def test_no_page_stands_in_for_a_private_one() -> None:
    assert not trust.may_supply_document(PRIVATE, CAMPUS, TODAY)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://corp.example:8443/api/simple/a/", True),
        ("https://corp.example:8443/files/a.whl", True),
        ("https://corp.example:8443", True),
        ("https://CORP.example.:8443/files/a.whl", True),
        ("https://corp.example/api/simple/", False),
        ("http://corp.example:8443/api/simple/", False),
        ("https://corp.example.evil.example:8443/", False),
        ("https://evil.example:8443/corp.example", False),
        ("https://corp.example:8443@evil.example/", False),
        ("https://evil.example\\@corp.example:8443/", False),
        ("https://sub.corp.example:8443/", False),
        ("ftp://corp.example:8443/", False),
        ("//corp.example:8443/", False),
        ("https://corp.example:99999/", False),
        ("https://corp.example:8443/a/../b", False),
        ("https://corp.example:8443/a/%2e%2e/b", False),
        ("https://corp.example:8443/a/..%5cb", False),
        ("https://corp.example:8443/a b", False),
        ("https://corp.example:8443\t.evil.example/", False),
        ("", False),
    ],
)
def test_who_sees_the_credential(url: str, allowed: bool) -> None:  # noqa: FBT001 - a table
    assert trust.may_see_credential(PRIVATE, url) is allowed


@pytest.mark.parametrize("url", ["ftp://corp.example/a", "https:///a", "https://:443/a", "/a", ""])
def test_an_origin_that_is_no_place_sees_nothing(url: str) -> None:
    assert not trust.may_see_credential(Origin("python", url, private=True), url)


def test_default_ports_are_the_same_place() -> None:
    assert trust.may_see_credential(PUBLIC, "https://index.example:443/x")
    assert not trust.may_see_credential(PUBLIC, "https://index.example:444/x")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/team/a", True),
        ("/team", True),
        ("", False),
        ("/teammate/a", False),
        ("/", False),
        ("/x/team/a", False),
    ],
)
def test_below_a_prefix(path: str, allowed: bool) -> None:  # noqa: FBT001 - a table
    url = f"https://index.example{path}"
    assert trust.may_see_credential(PUBLIC, url, prefix="/team/") is allowed


def test_a_prefix_ends_where_it_ends() -> None:
    inside = "https://index.example/teamX/a"
    assert trust.may_see_credential(PUBLIC, inside, prefix="/teamX/")
    assert not trust.may_see_credential(PUBLIC, "https://index.example/team/a", prefix="/teamX/")
