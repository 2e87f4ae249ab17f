"""Digests: each algorithm that may decide has one hasher, and it is the right one."""

from __future__ import annotations

import pytest

from headrace import models
from headrace.models import Digest

#: Of b"abc": FIPS 180-4's examples, and what b2sum -l 256 says.
KNOWN = {
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384": (
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
        "8086072ba1e7cc2358baeca134c825a7"
    ),
    "sha512": (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    ),
    "blake2b_256": "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
}


@pytest.mark.parametrize("algorithm", models._STRONG)
def test_each_algorithm_that_decides_is_hashed_as_its_standard_says(algorithm: str) -> None:
    digest = Digest(algorithm, KNOWN[algorithm])
    assert digest.is_of(b"abc")
    assert not digest.is_of(b"abd")
    hasher = digest.hasher()
    for part in (b"a", b"bc"):
        hasher.update(part)
    assert hasher.hexdigest() == digest.value


def test_a_hasher_begins_anew_each_time() -> None:
    digest = Digest("sha256", KNOWN["sha256"])
    digest.hasher().update(b"something else")
    assert digest.is_of(b"abc")
