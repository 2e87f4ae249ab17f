from __future__ import annotations

import time
from pathlib import Path

from headrace.system.asked_labels import AskedLabels


def test_what_was_missing_is_due_again_after_a_day_for_all_processes(tmp_path: Path) -> None:
    asked = AskedLabels(tmp_path)
    assert asked.due(["cu134", "cu135"]) == ["cu134", "cu135"]
    asked.missing("cu134")
    assert AskedLabels(tmp_path).due(["cu134", "cu135"]) == ["cu135"]
    tomorrow = AskedLabels(tmp_path, clock=lambda: time.time() + 90000.0)
    assert tomorrow.due(["cu134"]) == ["cu134"]
    asked.found("cu134")
    assert asked.due(["cu134"]) == ["cu134"]


def test_a_clock_that_was_set_back_holds_nothing_up(tmp_path: Path) -> None:
    AskedLabels(tmp_path).missing("cu134")
    yesterday = AskedLabels(tmp_path, clock=lambda: time.time() - 90000.0)
    assert yesterday.due(["cu134"]) == ["cu134"]


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    asked = AskedLabels(blocked)
    asked.missing("cu134")
    assert asked.due(["cu134"]) == ["cu134"]
