"""Several at once, killed in the middle, asked for parts: the gateway as a server."""

from __future__ import annotations

import contextlib
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.policy.timeouts import PROMISED_GAP, PROMISED_HEADERS
from lib import wheels
from lib.clients import PIPS, Environment, Pip
from lib.serving import modes, timed_gateway
from lib.serving.faults import SIZE, large
from lib.waiting import HANG, until
from lib.world import MB, MakeWorld, World


def fetch(world: World, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return world.gateway.get(path, {k.replace("_", "-"): v for k, v in headers.items()})


def test_many_at_once_cost_one_download(world: MakeWorld) -> None:
    made = world(mirror_rate=8 * MB)
    file = made.index.add(large())
    made.gateway.get("/simple/large/")
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: fetch(made, file.path)[2], range(8)))
    assert all(body == large().data for body in bodies)
    assert sum(made.sent().values()) < SIZE * 1.4, made.sent()


def test_concurrent_installs_share_one_download(world: MakeWorld, tmp_path: Path) -> None:
    made = world(mirror_rate=8 * MB)
    made.index.add(large())
    clients = [Pip(PIPS[-1], Environment(tmp_path / f"c{n}")) for n in range(2)]
    for client in clients:
        client.point_at(made.gateway.index)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda client: client.install("large"), clients))
    for result, client in zip(results, clients, strict=True):
        result.ok()
        assert client.environment.holds(large().files())
    assert sum(made.sent().values()) < SIZE * 1.4, made.sent()


def test_second_install_asks_no_upstream_for_bytes(world: MakeWorld, newest: Pip) -> None:
    made = world()
    made.index.add(large())
    newest.point_at(made.gateway.index)
    newest.install("large").ok()
    for server in made.servers:
        server.forget()
    newest.install("--force-reinstall", "--no-cache-dir", "large").ok()
    assert made.sent() == dict.fromkeys(made.sent(), 0)


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199999", 100, 200_000),
        ("bytes=-1000", -1000, None),
        (f"bytes={SIZE // 2}-", SIZE // 2, None),
    ],
)
def test_client_gets_the_range_that_it_asks_for(
    world: MakeWorld, asked: str, first: int, end: int | None
) -> None:
    made = world()
    file = made.index.add(large())
    data = large().data
    status, headers, body = fetch(made, file.path, Range=asked)
    assert (status, body == data[first:end]) == (206, True)
    start = first % len(data)
    assert headers["content-range"] == f"bytes {start}-{start + len(body) - 1}/{len(data)}"
    assert headers["content-length"] == str(len(body))


def test_range_beyond_the_end_and_if_range(world: MakeWorld) -> None:
    made = world()
    file = made.index.add(wheels.wheel("thing", "1.0", size=100_000))
    data = file.built.data
    status, headers, _ = fetch(made, file.path, Range=f"bytes={len(data)}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{len(data)}")
    etag = fetch(made, file.path)[1]["etag"]
    assert fetch(made, file.path, Range="bytes=5-", If_Range=etag)[0] == 206
    assert fetch(made, file.path, Range="bytes=5-", If_Range='"other"')[0] == 200
    assert fetch(made, file.path, If_None_Match=etag)[0] == 304


def test_head_tells_the_length_and_fetches_nothing(world: MakeWorld) -> None:
    made = world()
    file = made.index.add(large())
    status, headers, body = made.gateway.get(file.path, method="HEAD")
    assert (status, body) == (200, b"")
    assert headers["content-length"] == str(len(large().data))
    assert headers["accept-ranges"] == "bytes"
    assert sum(made.sent().values()) == 0


def test_client_that_leaves_does_no_harm(world: MakeWorld) -> None:
    made = world(mirror_rate=8 * MB)
    file = made.index.add(large())
    connection = http.client.HTTPConnection("127.0.0.1", made.gateway.port, timeout=HANG)
    connection.request("GET", file.path)
    connection.getresponse().read(100_000)
    connection.close()
    assert fetch(made, file.path)[2] == large().data


def test_client_reads_slowly_and_others_do_not_wait(world: MakeWorld) -> None:
    made = world()
    file = made.index.add(large())
    made.gateway.get("/simple/large/")
    connection = http.client.HTTPConnection("127.0.0.1", made.gateway.port, timeout=HANG)
    connection.request("GET", file.path)
    answer = connection.getresponse()
    answer.read(1000)
    assert fetch(made, file.path)[2] == large().data
    assert 1000 + len(answer.read()) == len(large().data)
    connection.close()


def killed_midway(world: World) -> None:
    """Begin a download and kill the gateway while it runs."""
    file = world.index.path("large-1.0-py3-none-any.whl")
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=HANG)

    def begin() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", file)
            connection.getresponse().read()

    thread = threading.Thread(target=begin)
    thread.start()
    until(lambda: sum(world.sent().values()) >= SIZE * 0.75)
    world.gateway.kill()
    thread.join()
    connection.close()


def test_killed_midway_it_goes_on_where_it_was(world: MakeWorld, newest: Pip) -> None:
    # What came in the last two seconds may be lost, so the transfer takes some more.
    made = world(mirror_rate=2.5 * MB, origin_rate=MB)
    made.index.add(large())
    made.gateway.get("/simple/large/")
    killed_midway(made)
    before = sum(made.sent().values())
    assert before >= SIZE // 2
    for server in made.servers:
        server.rate = 16.0 * MB
    made.gateway.start()
    newest.point_at(made.gateway.index)
    newest.install("large").ok()
    assert newest.environment.holds(large().files())
    again = sum(made.sent().values()) - before
    assert again < SIZE * 0.8, f"{again} bytes were fetched again"


def test_killed_and_the_kept_part_rotten_it_still_ends_right(world: MakeWorld, newest: Pip) -> None:
    made = world(mirror_rate=2.5 * MB, origin_rate=MB)
    made.index.add(large())
    made.gateway.get("/simple/large/")
    killed_midway(made)
    cache = made.root / "gateway" / "cache"
    touched = 0
    for path in cache.rglob("*"):
        if path.is_file() and path.stat().st_size > MB:
            with path.open("r+b") as file:
                for offset in range(0, path.stat().st_size, 512 * 1024):
                    file.seek(offset)
                    file.write(b"rotten bytes")
            touched += 1
    assert touched, "nothing was kept"
    made.gateway.start()
    newest.point_at(made.gateway.index)
    newest.install("large", timeout=HANG).ok()
    assert newest.environment.holds(large().files())


def read_to_its_end(world: World, path: str, agent: str) -> int:
    """Read a file as a client of that name, until it ends or is cut; return how much came."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=HANG)
    got = 0
    with contextlib.suppress(http.client.HTTPException, ConnectionError):
        connection.request("GET", path, headers={"User-Agent": agent})
        answer = connection.getresponse()
        while part := answer.read1(1 << 20):
            got += len(part)
    connection.close()
    return got


def answers_to(world: World, path: str, count: int) -> list[timed_gateway.Answered]:
    """Give what is written down of the requests for a path, once there are so many."""
    told = timed_gateway.answered(world.gateway.root)
    found = [each for each in told if each.path == path]
    return found if len(found) >= count else []


STALLED = modes.stall(SIZE // 2, of_file=True)


@pytest.mark.parametrize(
    ("mode", "agent"),
    [
        (STALLED, "unknown/1"),
        # What came is given at once to this one, and not over time.
        (STALLED, "pip/26.3"),
        (modes.SILENT, "unknown/1"),
        (modes.swapped(large("evil").data), "unknown/1"),
    ],
    ids=["stalled", "stalled-pip", "silent", "lies"],
)
def test_no_client_is_left_waiting_when_nobody_at_all_can_help(
    world: MakeWorld, mode: modes.Mode, agent: str
) -> None:
    made = world(origin_rate=None)
    made.command = timed_gateway.COMMAND
    file = made.index.add(large())
    made.gateway.get("/simple/large/")
    for server in (made.files, *made.mirrors):
        server.fail(mode, "*.whl")
    times = 3 if mode.body else 1
    for _ in range(times):
        assert read_to_its_end(made, file.path, agent) < len(large().data)
    told = until(lambda: answers_to(made, file.path, times), made.gateway.told)
    for each in told:
        # By the gateway's own clock; a timer may be early by what it is exact to.
        assert each.head <= PROMISED_HEADERS
        assert each.silence <= PROMISED_GAP + 0.1


def test_status_and_metrics_tell_what_happened(world: MakeWorld, newest: Pip) -> None:
    made = world()
    made.index.add(large())
    made.mirrors[0].fail(modes.status(403), "*.whl")
    newest.point_at(made.gateway.index)
    newest.install("large").ok()
    told = made.gateway.status()
    assert "mirror0" in str(told)
    metrics = made.gateway.get("/metrics")
    assert metrics[0] == 200
    assert b"# TYPE headrace_" in metrics[2]


def test_it_stops_when_told_to(world: MakeWorld) -> None:
    made = world()
    made.gateway.get("/healthz")
    assert made.gateway.close() == 0
