"""The table of clients: who is who, and that what goes out suits everybody's rules."""

from __future__ import annotations

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.clients import load, parse
from headrace.policy.clients import ClientTraits
from headrace.policy.timeouts import BODY_GAP, HEADERS_WITHIN, LATE_SMALL
from headrace.transfer.pace import BLOCK, DRIP, EVERY, RETRY, Pace

_DOCKERD = "docker/28.5.2+dfsg4 go/go1.27.1 git-commit/3ef3c07 kernel/6.1 os/linux arch/amd64"
_ASKED_BY = r"UpstreamClient(Docker-Client/28.5.2 \(linux\))"
UNKNOWN = load().unknown


@pytest.mark.parametrize(
    ("user_agent", "takes_back", "after_404"),
    [
        (f"{_DOCKERD} {_ASKED_BY}", True, True),
        (f"{_DOCKERD} containerd-client/2.1.9 storage-driver/overlayfs {_ASKED_BY}", False, True),
        ("containerd/1.6.20~ds1", False, True),
        ("containerd/2.1.9+unknown", False, True),
        ("containers/5.23.1 (github.com/containers/image)", False, False),
        ("containers/5.39.2 (github.com/containers/image)", False, False),
        ("skopeo/1.9.3", False, False),
        ("Buildah/1.28.2", False, False),
        ('pip/26.3 {"ci":null}', True, False),
        ('pip/25.2 {"ci":null}', True, False),
        ('pip/25.1.1 {"ci":null}', False, False),
        ('pip/25 {"ci":null}', False, False),
        ("pip/", False, False),
        ("pip/unknown", False, False),
        ('uv/0.13.9 {"installer":{"name":"uv"}}', False, False),
        ("curl/7.88.1", False, False),
        ("", False, False),
        ("Mozilla/5.0", False, False),
        ("not docker/28.5.2", False, False),
        ("docker/" + "x" * 5000, False, False),
    ],
)
def test_client_is_known_by_its_user_agent(
    user_agent: str,
    takes_back: bool,  # noqa: FBT001 - given by name
    after_404: bool,  # noqa: FBT001 - as above
) -> None:
    traits = load().of(user_agent)
    assert (traits.takes_back, traits.after_404) == (takes_back, after_404)


def test_who_is_not_known_can_take_nothing_back_and_is_at_its_end_with_a_404() -> None:
    assert ClientTraits(patience=15.0) == UNKNOWN
    assert not UNKNOWN.takes_back
    assert not UNKNOWN.after_404
    assert load().of("somebody/1.0") is UNKNOWN


def test_what_goes_out_keeps_every_client_that_is_known() -> None:
    """Twice over: a drip may come late, and the next with it."""
    for row in load().rows:
        assert row.traits.patience > LATE_SMALL + EVERY + RETRY, row.agent
        least, _ = row.least_rate
        assert 2 * least < DRIP / EVERY, row.agent
    assert UNKNOWN.patience > LATE_SMALL + EVERY + RETRY
    assert LATE_SMALL < HEADERS_WITHIN
    assert EVERY + RETRY < BODY_GAP


@pytest.mark.parametrize("size", [1, DRIP, BLOCK, BLOCK + 1, 10 * BLOCK + 7])
def test_every_byte_is_in_one_part_and_parts_end_with_the_file(size: int) -> None:
    for position in {0, size // 2, size - 1}:
        low, high = Pace.block(position, size)
        assert 0 <= low <= position < high <= size
        assert Pace.block(low, size) == Pace.block(high - 1, size) == (low, high)


def test_drips_are_due_after_each_other_and_after_whatever_else_was_given() -> None:
    pace = Pace(7.0)
    pace.gave(1.0)
    assert pace.due == 7.0  # bytes that came early are no reason to begin early
    pace.gave(7.0)
    assert pace.due == 7.0 + EVERY
    pace.failed(10.0)
    assert pace.due == 10.0 + RETRY


_RIGHT = '[unknown]\npatience = 15.0\n[[client]]\nagent = "a/"\ntried = "1, today"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "unknown"),
        ("[[client]", "clients.toml"),
        (_RIGHT.replace('"a/"', "3"), "agent"),
        (_RIGHT.replace('"a/"', '""'), "who was tried"),
        (_RIGHT.replace('tried = "1, today"', ""), "who was tried"),
        (_RIGHT + "takes_bakc = true", "takes_bakc"),
        (_RIGHT + 'takes_back = "yes"', "takes_back"),
        (_RIGHT + "patience = 0.0", "patience"),
        (_RIGHT + "patience = 3", "patience"),
        (_RIGHT + 'since = "1.x"', "clients.toml"),
    ],
)
def test_mistake_in_the_table_is_named(text: str, why: str) -> None:
    parse(_RIGHT)
    with pytest.raises(ConfigurationError, match=why):
        parse(text)
