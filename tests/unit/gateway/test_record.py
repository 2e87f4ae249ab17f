"""What came is written down file by file: for whom, from where, who failed, and why not others."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.gateway.telling.record import Recording
from headrace.models import Artifact, Fault, Origin, SourceFailed, TransferFinished
from headrace.system import download_record
from headrace.system.download_record import DownloadRecord, entries, new_lines
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer

THING = wheels.wheel("thing", "1.0", size=3_000_000)
PIP = {"User-Agent": "pip/26.3 {}"}


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    # So slow that the mirror is asked, whatever it says.
    slow = RecordingServer(name="origin", rate=3_000_000)
    with slow as origin, RecordingServer(name="copy") as copy:
        index = Index()
        index.add(THING)
        url, base = index.mount_origin(origin), index.mount_mirror(copy)
        mirrors = [mirror("copy", base), replace(mirror("other", base), layout="nvidia")]
        yield index, copy, lambda: App(tmp_path, url, mirrors=mirrors), tmp_path / "state"


def test_a_file_that_came_is_told_with_its_sources_and_who_was_left_and_why(lab: Any) -> None:
    index, _, app, state = lab
    with app() as running:
        path = index.path(THING.name)
        running.page("thing")
        for agent in ("pip/26.3 {}", "uv/0.13"):
            assert running.ask(path, {"User-Agent": agent}).body == THING.data
    came, here = entries(state / download_record.NAME)
    assert (came["kind"], came["tool"], came["name"]) == ("came", "pip", THING.name)
    assert sum(came["sources"].values()) >= len(THING.data)
    assert came["left"]["other"] == "keeps other things than this file"
    assert (here["kind"], here["tool"], here["digest"]) == ("was here", "uv", came["digest"])
    if hasattr(stat, "S_IMODE"):
        assert stat.S_IMODE((state / download_record.NAME).stat().st_mode) == 0o600


def test_a_source_that_failed_is_told_with_what_it_did(lab: Any) -> None:
    index, copy, app, state = lab
    copy.fail(modes.status(500))
    with app() as running:
        running.page("thing")
        assert running.ask(index.path(THING.name), PIP).body == THING.data
    (came,) = entries(state / download_record.NAME)
    assert {(each["source"], each["fault"]) for each in came["failed"]} == {
        ("copy", "server-error")
    }
    assert "copy" not in came["left"]


def test_the_record_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    record = DownloadRecord(path, limit=2000)
    for number in range(200):
        record.add({"at": number, "kind": "came", "text": "x" * 50})
        record.flush()
    assert sum(each.stat().st_size for each in tmp_path.glob("*.jsonl")) < 5000
    kept = [each["at"] for each in entries(path)]
    assert kept == sorted(kept)
    assert kept[-1] == 199
    assert kept[0] > 0


def test_two_that_write_at_a_time_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"

    def write(who: int) -> None:
        record = DownloadRecord(path)
        for number in range(50):
            record.add({"at": number, "kind": "came", "who": who})
            record.flush()

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(list(entries(path))) == 200


def test_what_is_no_entry_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"at": 1, "kind": "came"}\nnonsense\n[]\n{"at": "x"}\n{"at": 2, "kind"')
    assert [each["at"] for each in entries(path)] == [1]
    told, place = new_lines(path, (0, 0))
    assert [each["at"] for each in told] == [1]
    with path.open("ab") as file:
        file.write(b': "came"}\n')
    told, place = new_lines(path, place)
    assert [each["at"] for each in told] == [2]
    assert new_lines(path, place) == ([], place)
    assert list(entries(tmp_path / "none")) == []


def test_a_folder_that_cannot_be_written_costs_nobody_anything(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record = DownloadRecord(tmp_path / "file" / "d.jsonl")
    record.add({"at": 1, "kind": "came"})
    record.close()


def test_who_follows_is_told_what_filled_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    record = DownloadRecord(path, limit=500)
    told: list[float] = []
    _, place = new_lines(path, (0, 0))
    for number in range(60):
        record.add({"at": number, "kind": "came", "text": "x" * 60})
        record.flush()
        new, place = new_lines(path, place)
        told += [each["at"] for each in new]
    assert told == list(range(60))


def test_a_mirror_that_fails_with_many_words_is_told_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    record = DownloadRecord(path)
    origin = Origin("python", "https://index.example/simple")
    name = "n" * 3000
    artifact = Artifact("python", f"/{name}", name, f"https://index.example/{name}", origin)
    recording = Recording(record, lambda _: (), lambda _: pytest.fail("asked"), lambda *_: True)
    for number in range(20):
        recording.observe(SourceFailed(artifact, f"m{number}", Fault.WRONG_BYTES, "字" * 5000))
    recording.observe(TransferFinished(artifact, 9, 1.0, {"origin": 9}, {}))
    record.close()
    (came,) = entries(path)
    assert name.startswith(came["name"])
    assert {each["fault"] for each in came["failed"]} == {"wrong-bytes"}
    assert len(came["failed"]) == 20
    assert came["sources"] == {"origin": 9}


def test_a_time_that_no_calendar_has_is_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"at": 1e300, "kind": "came"}\n{"at": -5e17, "kind": "came"}\n')
    assert list(entries(path)) == []
