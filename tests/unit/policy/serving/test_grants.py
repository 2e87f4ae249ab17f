"""Who may ask a gateway that others reach, and for what."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from headrace.policy.serving.grants import Grant, fingerprint, in_networks, read

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC).timestamp()
CI = fingerprint("t0k")


def grants(**table: Any) -> Any:
    found, mistakes = read(table)
    assert not mistakes
    return found


def test_a_token_is_known_by_its_hash_alone() -> None:
    known = grants(token=[{"name": "ci", "sha256": CI.upper()}])
    assert known.of_token("t0k", NOW) == Grant("ci")
    for other in ("", "t0", "t0k ", CI, "\udcff"):
        assert known.of_token(other, NOW) is None


@pytest.mark.parametrize(
    ("expires", "counts"),
    [
        (dt.date(2026, 6, 2), True),
        (dt.date(2026, 6, 1), False),
        (dt.datetime(2026, 6, 1, 12, 0, 1), True),  # noqa: DTZ001 - as TOML gives a local one: UTC
        (dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC), False),
        (dt.datetime(2026, 6, 1, 13, tzinfo=dt.timezone(dt.timedelta(hours=2))), False),
    ],
)
def test_a_token_is_worth_nothing_from_its_end_on(expires: Any, counts: Any) -> None:
    known = grants(token=[{"name": "ci", "sha256": CI, "expires": expires}])
    assert (known.of_token("t0k", NOW) is not None) is counts


def test_the_narrowest_network_counts() -> None:
    known = grants(
        network=[
            {"name": "all", "addresses": ["10.0.0.0/8", "fd00::/8"]},
            {"name": "nodes", "addresses": ["10.2.0.0/16"], "ecosystems": ["docker"]},
        ]
    )
    assert known.of_address("10.2.3.4", NOW).name == "nodes"
    assert known.of_address("10.3.3.4", NOW).name == "all"
    assert known.of_address("::ffff:10.3.3.4", NOW).name == "all"
    assert known.of_address("fd00::1%eth0", NOW).name == "all"
    for other in ("11.0.0.1", "", "unknown", "10.2.3", "fe80::1"):
        assert known.of_address(other, NOW) is None
    assert known.of_address("10.2.3.4", NOW).covers("docker")
    assert not known.of_address("10.2.3.4", NOW).covers("python")


def test_a_certificate_is_known_by_any_of_its_names() -> None:
    known = grants(certificate=[{"name": "node", "subject": "node-1.example"}])
    assert known.of_certificate(["x", "node-1.example"], NOW) == Grant("node")
    assert known.of_certificate(["x"], NOW) is None
    assert known.of_certificate([], NOW) is None


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"tokens": []}, "did you mean 'token'?"),
        ({"token": {"name": "x"}}, "token must be tables: [[token]]"),
        ({"token": [1]}, "[[token]] number 1: must be a table"),
        ({"token": [{"name": "x"}]}, "sha256 is missing"),
        ({"token": [{"name": "x", "sha256": "t0k"}]}, "the hash, never the token itself"),
        ({"token": [{"sha256": CI}]}, "name must be a word"),
        ({"token": [{"name": "x", "sha256": CI, "expire": 1}]}, "did you mean 'expires'?"),
        ({"token": [{"name": "x", "sha256": CI, "expires": "2027-01-01"}]}, "without quotes"),
        ({"token": [{"name": "x", "sha256": CI, "pages": ["stats"]}]}, "there is no page"),
        ({"token": [{"name": "x", "sha256": CI, "rate": 0}]}, "rate must be a whole number"),
        ({"token": [{"name": "x", "sha256": CI, "ecosystems": "all"}]}, "a list of words"),
        ({"network": [{"name": "x", "addresses": ["10.0.0.1/8"]}]}, "a list of networks"),
        (
            {"network": [{"name": "x", "addresses": ["10.0.0.0/8"], "private": ["corp"]}]},
            "private origins are for clients that show something",
        ),
    ],
)
def test_an_entry_with_a_mistake_opens_nothing_and_is_told(table: Any, says: str) -> None:
    good = {"name": "good", "sha256": fingerprint("other")}
    if isinstance(table.get("token"), list):
        table["token"].append(good)
    known, mistakes = read(table)
    assert says in " ".join(mistakes)
    assert known.of_token("t0k", NOW) is None
    assert known.of_address("10.0.0.1", NOW) is None
    if isinstance(table.get("token"), list):
        assert known.of_token("other", NOW) == Grant("good")


def test_networks_are_of_one_version() -> None:
    assert in_networks("127.0.0.1", ["127.0.0.0/8"])
    assert not in_networks("127.0.0.1", ["::/0"])
    assert in_networks("::1", ["::/0"])
    assert not in_networks("nonsense", ["0.0.0.0/0"])
