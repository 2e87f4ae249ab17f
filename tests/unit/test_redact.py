"""What is shown and what is written down never holds a secret."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.errors import OriginError
from headrace.models import Credential, Digest, Fault
from headrace.redact import for_display, for_files, has_secret, hosts_of_secrets, split_credential


@pytest.mark.parametrize(
    ("url", "shown", "kept"),
    [
        ("https://h/x", "https://h/x", "https://h/x"),
        ("https://u:p@h:1/x", "https://u:***@h:1/x", "https://h:1/x"),
        ("https://token@h/x", "https://***@h/x", "https://h/x"),
        ("https://u:p@x@h/", "https://u:***@h/", "https://h/"),
        ("https://h/t/to-ken/c", "https://h/t/***/c", None),
        ("https://h/x?a=1&X-Amz-Signature=s", "https://h/x?a=1&X-Amz-Signature=***", None),
        ("https://h/x?se=1&sig=s", "https://h/x?se=1&sig=***", None),
        ("https://h/x?auth=s&hdnts=s&jwt=s", "https://h/x?auth=***&hdnts=***&jwt=***", None),
        ("https://h/x?passwd=s&Pwd=s&hmac=s", "https://h/x?passwd=***&Pwd=***&hmac=***", None),
        ("https://h/x?design=d&author=a", "https://h/x?design=d&author=a", None),
        ("https://h/x?%54oken=s?t#f", "https://h/x?%54oken=***#f", None),
        ("https://h/x?to=http://g/?b&key=s", "https://h/x?to=http://g/?b&key=***", None),
        ("https://h/x?to=http://g/?key=s", "https://h/x?to=http://g/?key=***", None),
        ("https://h/x?key?key=&a=b", "https://h/x?key?key=***&a=b", None),
        ("https://h/x#frag", "https://h/x#frag", "https://h/x"),
        ("https://h/x#access_token=s?t&b=1", "https://h/x#access_token=***&b=1", "https://h/x"),
        ("https://h/x?a=1;token=s", "https://h/x?a=1;token=***", None),
        ("https://h/x;jsessionid=s/y?b=1", "https://h/x;jsessionid=***/y?b=1", None),
        ("https://h/key=s/y", "https://h/key=***/y", None),
        ("https://h/?q=token%3Ds&b=1", "https://h/?q=token%3D***&b=1", None),
        ("https://h/?token=s%26t&b=1", "https://h/?token=***&b=1", None),
        ("https://h/?token%26q=s&b=1", "https://h/?token%26q=***&b=1", None),
        ("https://h/?a=1&amp;token=s", "https://h/?a=1&amp;token=***", None),
        ("https://h/?to=http://u:p@g/x", "https://h/?to=http://u:***@g/x", None),
        ("https://h/to/http://token@g/x", "https://h/to/http://***@g/x", None),
        ("https://h/%2Ft%2Ftoken%2Fx", "https://h/%2Ft%2F***%2Fx", None),
        (
            "https://h/?to=http%3A%2F%2Fu%3Ap%40g%2F%3Fsig%3Ds%26b%3D1&c=1",
            "https://h/?to=http%3A%2F%2Fu%3A***%40g%2F%3Fsig%3D***%26b%3D1&c=1",
            None,
        ),
        (
            "https://h/?to=http%253A%252F%252Fu%253Ap%2540g%252F%253Fsig%253Ds%2526b&c=1",
            "https://h/?to=http%253A%252F%252Fu%253A***%2540g%252F%253Fsig%253D***%2526b&c=1",
            None,
        ),
        # Passwords with a mark in them that should have been escaped.
        ("https://u:p/s@h/x", "https://u:***@h/x", None),
        ("https://u:p?s@h:80/", "https://u:***@h:80/", None),
        ("https://u:p#s@h/", "https://u:***@h/", None),
        ("https://u:p/s", "https://u:***/s", None),
        # A token is the user's name here.
        ("https://token:@h/x", "https://***@h/x", "https://h/x"),
        ("https://token:x-oauth-basic@h/x", "https://***@h/x", "https://h/x"),
        ("u:p@h:3128", "u:***@h:3128", None),
        ("https:/u:p@h/", "https:/u:***@h/", None),
        ("https:\\\\u:p@h", "https:\\\\u:***@h", None),
        ("https:/\t/token@h", "https://***@h", None),
        ("https://h/\x1b[2J\u202ex", "https://h/[2Jx", None),
        ("https://h:80/@scope/x@1.0", "https://h:80/@scope/x@1.0", "https://h:80/@scope/x@1.0"),
        ("https://[::1]:80/x", "https://[::1]:80/x", "https://[::1]:80/x"),
        ("https://[::1", "***", None),
    ],
)
def test_url_for_people_and_for_files(url: str, shown: str, kept: str | None) -> None:
    assert for_display(url) == shown
    if kept is not None:
        assert for_files(url) == kept


@given(st.text("abcXYZ012%40-_.~", min_size=1), st.text("abcXYZ!$&'()*+,;=", min_size=4))
def test_no_password_survives(user: str, password: str) -> None:
    assume(password not in user)  # the name is shown
    url = f"https://{user}:{password}@index.example/simple"
    assert password not in for_display(url)
    assert password not in for_files(url)
    assert has_secret(url)
    assert not has_secret(for_files(url))


#: What comes before a secret, and after it, in a URL within a URL.
_PLACES = (
    ("http://user:", "@g.example/x"),
    ("http://", "@g.example/x"),
    ("http://g.example/x?a=1&token=", "&b=2"),
    ("http://g.example/x;sig=", "/y"),
    ("http://g.example/t/", "/channel"),
    ("http://g.example/x#key=", ""),
    ("password=", ""),
)


@given(
    st.text("abcXYZ019-_.~!$'()*", min_size=4),
    st.sampled_from(_PLACES),
    st.sampled_from(
        ("https://h.example/?to=", "https://h.example/?a=1;to=", "https://h.example/#")
    ),
    st.integers(0, 6),
)
def test_no_secret_of_a_url_within_a_url_survives(
    secret: str, place: tuple[str, str], outer: str, times: int
) -> None:
    inner = place[0] + secret + place[1]
    assume(inner.count(secret) == 1 and secret not in outer)
    written = secret
    for _ in range(times):
        inner, written = quote(inner, safe=""), quote(written, safe="")
    for after in ("", "&end=1"):
        assert written not in for_display(outer + inner + after)


def test_credential_is_split_off_and_decoded() -> None:
    assert split_credential("https://u:p%40ss@h/s") == ("https://h/s", ("u", "p@ss"))
    assert split_credential("https://h/s") == ("https://h/s", None)
    assert "p@ss" not in repr(Credential("u", "p@ss"))


@pytest.mark.parametrize(
    "text", ["md5:" + "0" * 32, "sha256:" + "0" * 63, "sha256:" + "g" * 64, ""]
)
def test_digest_that_cannot_decide_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        Digest.parse(text)


def test_error_says_whose_fault_and_what_next() -> None:
    error = OriginError(Fault.SILENT, "h did not answer", hint="try again later")
    assert str(error) == "h did not answer (try again later)"
    assert error.fault_of == "the origin"
    assert error.reference == "silent"


def test_hosts_of_secrets_are_found_in_text_of_any_kind() -> None:
    text = """a = "https://me:pw@One.example/simple", 'https://two.example/t/tk-0123456789/x']
    - https://${USER}:$PASS@three.example:8443/simple
    https://four.example/simple?x=1 https://[ https://"""
    assert list(hosts_of_secrets(text)) == ["one.example", "two.example", "three.example"]


@pytest.mark.parametrize("mark", ["", ",", "'", "]", ">", "[", "(", ";", "=", "%2C", "@", ":"])
@pytest.mark.parametrize("scheme", ["https", "HTTP"])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("'", "'"), ("['", "', 'x@y']")])
def test_a_password_may_have_marks_that_end_a_url_elsewhere(
    mark: str, scheme: str, before: str, after: str
) -> None:
    """Whom a login is for must be known, and a host too many is only led less."""
    text = f"x{before}{scheme}://me:a{mark}b@one.example/simple{after},http://two.example/"
    assert "one.example" in {*hosts_of_secrets(text)}
    assert "two.example" not in {*hosts_of_secrets(text)}
