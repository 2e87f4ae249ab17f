"""What is shown and what is written down never holds a secret."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.errors import OriginError
from headrace.models import Credential, Digest, Fault
from headrace.redact import for_display, for_files, has_secret, split_credential


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
