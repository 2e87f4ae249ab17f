"""A URL that is read without httpx leads where httpx would lead it, and is asked for the same."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.upstream import transports

PLAIN = transports._PLAIN
_place_of = transports._place_of.__wrapped__

#: What readers of URLs differ about, and all that is plain.
CRUMBS = st.sampled_from(
    [
        *"aZ0.-_~!$&'()*+,;=:@/?#%[]<>\\^|\"{}` \t\n\x00é",
        *("//", "/.", "/..", "%2F", "%2f", "%zz", "http://", "https://", "HTTP://", "user:pw@"),
        *("a.example", "xn--bcher-kva", "..", "127.0.0.1", "[::1]", "1.2.3", "0x7f.1"),
        *(":0", ":80", ":443", ":8080", ":65535", ":65536", ":080"),
    ]
)


def as_httpx_reads(url: str) -> tuple[str, int | None, bytes, bytes]:
    read = httpx.URL(url)
    return read.raw_host.decode("ascii"), read.port, read.raw_path, read.netloc


@given(st.from_regex(PLAIN, fullmatch=True))
@example("https://files.example/packages/ab/torch-2.14.1%2Bcu126-cp311-cp311-linux_x86_64.whl")
@example("http://localhost:65535?a=/b")
def test_a_plain_url_is_read_as_httpx_reads_it(url: str) -> None:
    assert _place_of(url) == as_httpx_reads(url)


@given(st.sampled_from(["http://", "https://"]), st.lists(CRUMBS, max_size=8))
@example("http://", ["a.example", "#", "b"])
@example("http://", ["a.example", "\\", "@", "b"])
def test_any_url_is_read_as_httpx_reads_it_or_refused_as_there(
    scheme: str, crumbs: list[str]
) -> None:
    url = scheme + "".join(crumbs)
    try:
        expected = as_httpx_reads(url)
    except httpx.InvalidURL:
        with pytest.raises(ValueError, match=r"\S"):
            _place_of(url)
    else:
        assert _place_of(url) == expected


@given(st.from_regex(PLAIN, fullmatch=True), st.sampled_from("#\\<>\"'[]{}|^` \n\x00é"))
def test_what_readers_differ_about_makes_no_url_plain(url: str, crumb: str) -> None:
    assert PLAIN.fullmatch(url + crumb) is None
    assert PLAIN.fullmatch(crumb + url) is None


@pytest.mark.parametrize("path", ["/.", "/..", "/a/./b", "/a/../b", "/%2"])
def test_what_a_reader_would_mend_makes_no_url_plain(path: str) -> None:
    assert PLAIN.fullmatch(f"http://a.example{path}") is None
