"""Codes, sessions and the seal of the live page."""

from __future__ import annotations

import pytest

from headrace.gateway.live.keys import CODE_LIVES, SESSION_LIVES, Keys, cookie_in, cookie_name


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_code_opens_once() -> None:
    keys = Keys()
    code = keys.new_code()
    session = keys.session_for(code)
    assert session is not None
    assert keys.is_session(*session)
    assert keys.session_for(code) is None


def test_a_code_and_a_session_end_by_their_time() -> None:
    clock = Clock()
    keys = Keys(clock)
    late, soon = keys.new_code(), keys.new_code()
    session = keys.session_for(soon)
    assert session is not None
    clock.now = CODE_LIVES
    assert keys.session_for(late) is None
    assert keys.is_session(*session)
    clock.now = SESSION_LIVES
    assert not keys.is_session(*session)


def test_half_a_session_opens_nothing() -> None:
    keys = Keys()
    session = keys.session_for(keys.new_code())
    assert session is not None
    cookie, word = session
    for pair in (
        (cookie, ""),
        ("", word),
        (cookie + word, ""),
        ("", cookie + word),
        (word, cookie),
    ):
        assert not keys.is_session(*pair)
    other = keys.session_for(keys.new_code())
    assert other is not None
    assert not keys.is_session(cookie, other[1])


def test_so_many_are_held_and_the_oldest_goes() -> None:
    keys = Keys()
    codes = [keys.new_code() for _ in range(40)]
    assert [keys.session_for(each) is not None for each in codes] == [False] * 24 + [True] * 16


@pytest.mark.parametrize("shown", ["", "x", "é\udcff", "\x00" * 64])
def test_nothing_odd_is_a_code_a_session_or_a_seal(shown: str) -> None:
    keys = Keys()
    keys.new_code()
    assert keys.session_for(shown) is None
    assert not keys.is_session(shown, shown)
    assert not keys.is_seal(shown)
    assert keys.is_seal(keys.seal)


def test_a_cookie_is_found_by_its_whole_name() -> None:
    name = cookie_name(17_223)
    assert cookie_in(f"a=1; {name}=held; {name}0=other", name) == "held"
    assert cookie_in(f"x{name}=held", name) == ""
    assert cookie_in("", name) == ""
