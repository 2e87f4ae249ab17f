"""Several parts of a file in one answer, over real sockets (RFC 9110 section 14.6)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from headrace.models import Credential
from lib import wheels
from lib.app import App, Told, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.answers import Reply
from lib.serving.parts import parts_of
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

MB = 1 << 20
SMALL = wheels.wheel("small", "1.0", size=300_000)
LARGE = wheels.wheel("large", "1.0", size=12 * MB)
SIZE = len(LARGE.data)
ASKED = "bytes=5000000-5000999,100-199,-300"
SPANS = ((5_000_000, 5_001_000), (100, 200), (SIZE - 300, SIZE))


@pytest.fixture
def index() -> Index:
    made = Index()
    made.add(SMALL, LARGE)
    return made


def stored(app: App, path: str) -> None:
    app.ask(path)
    until(lambda: app.parts.downloader.active == 0)


def assert_parts(told: Told, content: bytes, *spans: tuple[int, int]) -> None:
    assert (told.status, told.complete) == (206, True)
    size = len(content)
    expected = [(f"bytes {low}-{high - 1}/{size}", content[low:high]) for low, high in spans]
    found = parts_of(told.headers, told.body)
    assert [(part.content_range, part.data) for part in found] == expected
    assert told.headers["etag"].startswith('"')
    assert told.headers["accept-ranges"] == "bytes"
    assert int(told.headers["content-length"]) == len(told.body)


@pytest.mark.parametrize("when", ["cold", "stored"])
@pytest.mark.parametrize("built", [SMALL, LARGE], ids=["small", "large"])
def test_parts_come_in_the_order_in_which_they_were_asked_for(
    app: App, index: Index, built: wheels.Built, when: str
) -> None:
    path, size = index.path(built.name), len(built.data)
    if when == "stored":
        stored(app, path)
    told = app.ask(path, {"Range": "bytes=200000-200999,0-9,-5,7000-7000"})
    spans = ((200_000, 201_000), (0, 10), (size - 5, size), (7000, 7001))
    assert_parts(told, built.data, *spans)
    assert app.ask(path).body == built.data


def test_parts_of_a_file_that_is_not_here_cost_their_bytes_alone(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    assert_parts(app.ask(path, {"Range": ASKED}), LARGE.data, *SPANS)
    assert origin.bytes_sent(path) == sum(high - low for low, high in SPANS)
    assert app.status()["transfers"]["bytes_by_source"] == {"origin": origin.bytes_sent(path)}
    assert app.parts.downloader.active == 0


def test_parts_are_asked_of_no_mirror_that_nobody_could_check(
    tmp_path: Path, index: Index, origin: RecordingServer
) -> None:
    with RecordingServer(name="mirror") as there:
        base = index.mount_mirror(there)
        with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("m", base)]) as app:
            told = app.ask(index.path(LARGE.name), {"Range": ASKED})
        assert_parts(told, LARGE.data, *SPANS)
        assert there.bytes_sent("*.whl") == 0


def test_neighbours_are_one_request_at_the_origin_and_parts_of_their_own_for_the_client(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    spans = [(n * 150, n * 150 + 100) for n in range(200)]
    text = ",".join(f"{low}-{high - 1}" for low, high in spans)
    assert_parts(app.ask(path, {"Range": f"bytes={text}"}), LARGE.data, *spans)
    assert len(origin.requests(path)) == 1
    assert origin.bytes_sent(path) == spans[-1][1]


def far_apart(count: int, size: int = 100) -> list[tuple[int, int]]:
    step = SIZE // (count + 1)
    return [(n * step, n * step + size) for n in range(count)]


def asking(spans: Sequence[tuple[int, int]]) -> dict[str, str]:
    return {"Range": "bytes=" + ",".join(f"{low}-{high - 1}" for low, high in spans)}


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("count", [5, 60, 300])
def test_many_parts_are_asked_for_in_one_request_where_the_origin_knows_that(
    app: App, index: Index, origin: RecordingServer, count: int, order: str
) -> None:
    origin.several = True
    path, spans = index.path(LARGE.name), far_apart(count)
    if order == "descending":
        spans.reverse()
    assert_parts(app.ask(path, asking(spans)), LARGE.data, *spans)
    assert len(origin.requests(path)) == 1 + count // 256
    assert origin.bytes_sent(path) <= count * (100 + 150)


def test_login_of_an_origin_opens_its_parts_too(
    tmp_path: Path, index: Index, origin: RecordingServer
) -> None:
    origin.several, origin.credential = True, ("me", "s3cret")
    url, path, spans = f"{origin.url}/simple", index.path(LARGE.name), far_apart(9)
    with App(tmp_path, url, credentials={url: Credential("me", "s3cret")}) as app:
        assert_parts(app.ask(path, asking(spans)), LARGE.data, *spans)
    (asked,) = [seen for seen in origin.requests(path) if seen.status == 206]
    assert asked.sent < 9 * 250


def test_origin_that_gives_the_whole_for_many_parts_is_asked_for_them_one_by_one(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path, spans = index.path(LARGE.name), far_apart(10)
    app.page("large")
    for _ in range(2):
        assert_parts(app.ask(path, asking(spans)), LARGE.data, *spans)
    asked = origin.requests(path)
    # Once it said that it does not know several ranges; what it had begun to send is not counted.
    assert len([seen for seen in asked if seen.status == 200]) == 1
    assert len([seen for seen in asked if seen.status == 206]) == 20


@pytest.mark.parametrize("fault", ["cut", "left-out", "other-order", "another-file", "too-much"])
def test_answer_with_wrong_parts_is_completed_one_by_one(
    app: App, index: Index, origin: RecordingServer, fault: str
) -> None:
    path, spans = index.path(LARGE.name), far_apart(8, 5000)
    app.page("large")
    told = {
        "cut": spans,
        "left-out": spans[:-1],
        "other-order": spans[::-1],
        "another-file": spans,
        "too-much": [(low, high + 4000) for low, high in spans],
    }[fault]
    total = SIZE + (fault == "another-file")
    lines = []
    for low, high in told:
        head = f"--x\r\nContent-Range: bytes {low}-{high - 1}/{total}\r\n\r\n"
        lines += [head.encode(), LARGE.data[low:high], b"\r\n"]
    body = b"".join([*lines, b"--x--"])
    body = body[: len(body) // 2] if fault == "cut" else body
    kind = "multipart/byteranges; boundary=x"
    whole = origin.find(path, {})

    def answer(_: str, headers: Mapping[str, str]) -> Reply:
        return Reply(body, 206, kind) if "," in headers.get("range", "") else whole

    origin.content[path] = answer
    assert_parts(app.ask(path, asking(spans)), LARGE.data, *spans)
    assert origin.bytes_sent(path) < 200_000


def test_large_parts_are_fetched_in_pieces_and_arrive_in_order(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    app.page("large")
    origin.delay = 0.1
    spans = ((6 * MB, 8 * MB + 17), (MB, 3 * MB))
    text = ",".join(f"{low}-{high - 1}" for low, high in spans)
    assert_parts(app.ask(path, {"Range": f"bytes={text}"}), LARGE.data, *spans)
    assert origin.bytes_sent(path) == sum(high - low for low, high in spans)
    assert 1 < origin.at_once(path) <= 4


def test_more_than_half_of_a_file_is_fetched_once_checked_and_kept(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    spans = ((0, 5 * MB), (6 * MB, 11 * MB))
    text = ",".join(f"{low}-{high - 1}" for low, high in spans)
    assert_parts(app.ask(path, {"Range": f"bytes={text}"}), LARGE.data, *spans)
    until(lambda: app.parts.downloader.active == 0)
    again = app.ask(path)
    assert again.body == LARGE.data
    assert origin.bytes_sent(path) <= SIZE + MB


def test_whoever_takes_a_file_part_by_part_does_not_fetch_it_more_than_one_and_a_half_times(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    step = 600_000
    for low in range(0, SIZE - step, step):
        span = (low, low + step // 2), (low + step // 2 + 2000, low + step)
        text = ",".join(f"{start}-{end - 1}" for start, end in span)
        assert_parts(app.ask(path, {"Range": f"bytes={text}"}), LARGE.data, *span)
    until(lambda: app.parts.downloader.active == 0)
    assert origin.bytes_sent(path) <= 1.6 * SIZE


def test_large_part_is_all_that_is_fetched_for_those_who_have_looked_inside(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    app.ask(path, {"Range": "bytes=-1000"})
    low, high = 4 * MB, 4 * MB + 3 * MB
    told = app.ask(path, {"Range": f"bytes={low}-{high - 1}"})
    assert_parts(told, LARGE.data, (low, high))
    assert origin.bytes_sent(path) == 1000 + high - low


@pytest.mark.parametrize(
    ("mode", "times"),
    [
        (modes.NO_RANGES, None),
        (modes.status(503), 1),
        (modes.status(404), 1),
        (modes.HTML, 1),
        (modes.cut(100), 1),
        (modes.GARBAGE, 1),
        (modes.HANG_UP, 1),
        (modes.wrong_length(7), 1),
    ],
    ids=["norange", "503", "404", "html", "cut", "garbage", "hang-up", "wrong-length"],
)
def test_origin_that_fails_to_give_parts_costs_the_client_nothing(
    tmp_path: Path,
    index: Index,
    origin: RecordingServer,
    mode: modes.Mode,
    times: int | None,
) -> None:
    with RecordingServer(name="mirror") as there:
        base = index.mount_mirror(there)
        with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("m", base)]) as app:
            origin.fail(mode, "*.whl", times=times)
            told = app.ask(index.path(LARGE.name), {"Range": ASKED})
    assert_parts(told, LARGE.data, *SPANS)


def test_part_that_stays_away_in_the_middle_comes_as_all_files_do(
    tmp_path: Path, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    spans = ((0, 100), (4 * MB, 5 * MB), (8 * MB, 9 * MB))
    text = ",".join(f"{low}-{high - 1}" for low, high in spans)
    with RecordingServer(name="mirror") as there:
        base = index.mount_mirror(there)
        with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("m", base)]) as app:
            origin.fail(modes.cut(4 * MB + 300_000, of_file=True), path)
            assert_parts(app.ask(path, {"Range": f"bytes={text}"}), LARGE.data, *spans)
        assert there.bytes_sent(path) > 0


@pytest.mark.parametrize("when", ["cold", "stored"])
def test_if_range_head_and_ranges_outside(app: App, index: Index, when: str) -> None:
    path = index.path(SMALL.name)
    size = len(SMALL.data)
    if when == "stored":
        stored(app, path)
    etag = app.ask(path, method="HEAD").headers["etag"]
    two = {"Range": "bytes=5-9,0-0"}
    assert_parts(app.ask(path, {**two, "If-Range": etag}), SMALL.data, (5, 10), (0, 1))
    other = app.ask(path, {**two, "If-Range": '"other"'})
    assert (other.status, other.body) == (200, SMALL.data)
    date = app.ask(path, {**two, "If-Range": "Sat, 01 Jan 2022 00:00:00 GMT"})
    assert (date.status, date.body) == (200, SMALL.data)
    head = app.ask(path, two, method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(size))
    assert "content-range" not in head.headers
    assert app.ask(path, {**two, "If-None-Match": etag}).status == 304
    nothing = app.ask(path, {"Range": f"bytes={size}-,{size + 5}-{size + 9}"})
    assert nothing.status == 416
    assert nothing.headers["content-range"] == f"bytes */{size}"
    # One that is left, of several, needs no frame.
    left = app.ask(path, {"Range": f"bytes=5-9,{size}-"})
    assert_parts(left, SMALL.data, (5, 10))
    assert left.headers["content-type"] == app.ask(path).headers["content-type"]
    # Nonsense is nothing (RFC 9110 section 14.2).
    assert app.ask(path, {"Range": "bytes=5-9,9-5"}).status == 200


def test_metadata_is_given_in_parts_as_well(app: App, index: Index) -> None:
    content = SMALL.metadata or b""
    told = app.ask(f"{index.path(SMALL.name)}.metadata", {"Range": "bytes=4-9,0-1"})
    assert_parts(told, content, (4, 10), (0, 2))


def test_client_of_http_1_0_gets_parts_and_the_end_of_the_connection(
    app: App, index: Index
) -> None:
    path = index.path(SMALL.name)
    with socket.create_connection(("127.0.0.1", app.port), HANG) as live:
        host = f"127.0.0.1:{app.port}"
        lines = f"GET {path} HTTP/1.0\r\nHost: {host}\r\nRange: bytes=5-9,0-0\r\n\r\n"
        live.sendall(lines.encode())
        answer = b""
        while data := live.recv(1 << 16):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    lines_of = [line.decode().partition(": ") for line in head.split(b"\r\n")[1:]]
    headers = {name.lower(): value for name, _, value in lines_of}
    assert head.split()[1] == b"206"
    assert "transfer-encoding" not in headers
    assert_parts(Told(206, headers, body), SMALL.data, (5, 10), (0, 1))


def test_connection_goes_on_behind_several_parts(app: App, index: Index) -> None:
    path = index.path(LARGE.name)
    stored(app, path)
    asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\nRange: {ASKED}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", app.port), HANG) as live:
        for _ in range(3):
            live.sendall(asked.encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += live.recv(1 << 16)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 206")
            lines = (line.partition(b": ") for line in head.lower().split(b"\r\n"))
            length = int(dict(line[::2] for line in lines)[b"content-length"])
            while len(body) < length:
                body += live.recv(1 << 16)
            assert len(body) == length


def test_file_that_leaves_the_store_meanwhile_is_fetched_again(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(LARGE.name)
    stored(app, path)
    for each in (app.parts.folders.cache / "store").rglob("*"):
        if each.is_file() and each.stat().st_size == SIZE:
            each.unlink()
    origin.forget()
    assert_parts(app.ask(path, {"Range": ASKED}), LARGE.data, *SPANS)
    assert origin.requests(path)
