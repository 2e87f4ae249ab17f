from __future__ import annotations

import pytest

from headrace.models import Mirror, Response
from headrace_pip.freshness import PROBE, serial_of


def html(serial: int) -> Response:
    return Response(200, {}, f"<html></html>\n<!--SERIAL {serial}-->".encode())


def header(serial: int) -> Response:
    return Response(200, {"x-pypi-last-serial": str(serial)}, b"")


def test_the_serial_is_found_wherever_an_index_writes_it() -> None:
    assert serial_of(html(7)) == 7
    assert serial_of(header(7)) == 7
    assert serial_of(Response(200, {}, b'{"meta":{"_last-serial": "7"}}')) == 7
    assert serial_of(Response(200, {}, b'{"meta":{"_last-serial":7}}')) == 7
    assert serial_of(Response(200, {"x-pypi-last-serial": "x"}, b"none")) is None
    assert serial_of(Response(404, {"x-pypi-last-serial": "7"}, b"")) is None


@pytest.mark.parametrize(
    ("mirror", "origin", "verdict"),
    [
        (html(7), header(7), True),
        (html(8), header(7), True),
        (html(6), header(7), False),
        (Response(404), header(7), False),
        (Response(403), header(7), None),
        (Response(200), header(7), None),
        (html(6), Response(503), None),
    ],
)
def test_a_mirror_is_fresh_when_its_page_is_no_older(
    mirror: Response,
    origin: Response,
    verdict: bool | None,  # noqa: FBT001 - a column of the table
) -> None:
    assert PROBE.judge([mirror], [origin]) is verdict


def test_one_small_page_is_asked_for() -> None:
    (request,) = PROBE.requests(Mirror("m", "python", "https://m.example", "packages"))
    assert request.path == "/simple/pip/"
    assert PROBE.judge([], []) is None
