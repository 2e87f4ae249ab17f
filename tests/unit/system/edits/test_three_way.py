"""An edit is taken out of a file that others changed since, or not at all; diffs for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.hookspecs import FileEdit
from headrace.system.edits.three_way import diff, without


def lines(text: str) -> bytes:
    return "".join(f"{word}\n" for word in text.split()).encode()


@pytest.mark.parametrize(
    ("before", "after", "now", "undone"),
    [
        # Lines that the edit wrote go.
        ("a b", "a ours b", "top a ours b", "top a b"),
        ("a b", "a ours b", "a ours b end", "a b end"),
        ("a b c", "a b ours c", "a ours c", "a c"),
        ("a b c", "a b ours c", "b ours c", "b c"),
        ("a b", "one a two b three", "one a new two b three", "a new b"),
        ("a b c d", "a ours c d", "new a ours c d", "new a b c d"),
        ("a b c d", "a ours c ours2", "a ours new c ours2", "a b new c d"),
        # Lines that it took away come back between their neighbours.
        ("a x b", "a b", "top a b end", "top a x b end"),
        ("x a", "a", "a new", "x a new"),
        ("a x", "a", "new a", "new a x"),
        ("a x b y c", "a b c", "top a b c", "top a x b y c"),
    ],
)
def test_edit_is_taken_out_and_the_rest_stays(
    before: str, after: str, now: str, undone: str
) -> None:
    assert without(lines(before), lines(after), lines(now)) == lines(undone)


@pytest.mark.parametrize(
    ("before", "after", "now"),
    [
        ("a b", "a ours b", "a b end"),
        ("a b", "a one two b", "a one b"),
        ("a b", "a one two b", "a one new two b"),
        ("a b", "a ours b", "end"),
        # Nobody can say where these were.
        ("a x b", "a b", "a new b"),
        ("a x b", "a b", "b"),
        ("a x b", "a b", "a"),
        ("a x b", "a b", "b a"),
        ("x a", "a", "new a"),
        ("a x", "a", "a new"),
        ("x", "", "new"),
    ],
)
def test_edit_whose_place_was_changed_is_for_the_user_to_take_out(
    before: str, after: str, now: str
) -> None:
    with pytest.raises(ValueError, match="changed"):
        without(lines(before), lines(after), lines(now))


@pytest.mark.parametrize(("after", "now"), [(b"ours\n", None), (None, b"new\n")])
def test_file_that_went_or_came_since_is_for_the_user(
    after: bytes | None, now: bytes | None
) -> None:
    with pytest.raises(ValueError, match="removed, or made anew"):
        without(b"a\n", after, now)


def test_our_line_among_hundreds_that_are_the_same_is_found() -> None:
    same = b"x\n" * 300
    after = same + b"ours\n" + same
    changed = same + b"ours\n" + b"x\n" * 10 + b"new\n" + b"x\n" * 290
    assert without(same * 2, after, changed) == b"x\n" * 310 + b"new\n" + b"x\n" * 290


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("proxy = user:hunter2@proxy.example:3128", "proxy = user:***@proxy.example:3128"),
        ('"https-proxy": "user:hunter2@p:1",', '"https-proxy": "user:***@p:1",'),
        ("url: https://u:hunter2,3@h/", "url: https://u:***@h/"),
        ("url = https://h/?to=https%3A%2F%2Fu%3Ahunter2%40h", None),
        ('"auth": "dXNlcjpodW50ZXIy"', '"auth": ***'),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "Authorization: ***"),
        ("# mail me@h.example; see a@b", "# mail me@h.example; see a@b"),
        ("AWS_SECRET_ACCESS_KEY: hunter2", "AWS_SECRET_ACCESS_KEY: ***"),
        (f"see ghp_hunter2{'a' * 30}.", "see ***."),
        (f"ENV X=hf_hunter2{'a' * 30}", "ENV X=***"),
        ("automountServiceAccountToken: false", "automountServiceAccountToken: false"),
        ('"token": null,', '"token": null,'),
        ("token: falsehunter2", "token: ***"),
    ],
)
def test_diff_shows_no_secret_in_whatever_form(line: str, shown: str | None) -> None:
    text = diff([FileEdit(Path("/etc/x"), f"{line}\n".encode(), f"{line}\nours\n".encode(), "")])
    assert not any(secret in text for secret in ("hunter2", "hunter2,3", "dXNlcjpodW50ZXIy"))
    if shown is not None:
        assert f"\n {shown}\n+ours\n" in text


@pytest.mark.parametrize("end", ["-----END OPENSSH PRIVATE KEY-----\nmore\n", ""])
def test_diff_shows_that_there_is_a_private_key_and_not_the_key(end: str) -> None:
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\nHUNTER\n{end}"
    text = diff([FileEdit(Path("/etc/x"), f"a\n{key}".encode(), b"a\n", "")])
    assert "hunter" not in text.lower()
    assert "-----BEGIN OPENSSH PRIVATE KEY-----\n-***\n-***\n" in text
    assert ("more" in text) == bool(end)


def test_diff_is_what_patch_would_take() -> None:
    edits = [
        FileEdit(Path("/etc/a"), lines("1 2 3 4 5 6 7"), lines("1 2 3 ours 5 6 7"), ""),
        FileEdit(Path("/etc/blob"), b"a\n", b"\0\1", ""),
        FileEdit(Path("/etc/old-blob"), b"\0\1", None, ""),
        FileEdit(Path("/etc/new"), None, b"password = hunter2\n", ""),
        FileEdit(Path("/etc/gone"), b"caf\xe9\n", None, ""),
    ]
    assert diff(edits) == (
        "--- /etc/a\n+++ /etc/a\n@@ -2,5 +2,5 @@\n 2\n 3\n-4\n+ours\n 5\n 6\n"
        "/etc/blob: 2 bytes, not text\n"
        "/etc/old-blob: 0 bytes, not text\n"
        "--- /dev/null\n+++ /etc/new\n@@ -0,0 +1 @@\n+password = ***\n"
        "--- /etc/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-caf\\xe9\n"
    )
