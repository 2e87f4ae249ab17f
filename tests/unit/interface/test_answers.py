"""What another program said counts while nothing has changed that it read, and no longer."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.interface.activations import Place, Scope
from headrace.interface.editing import answers
from headrace.ownership.changes import fingerprint
from lib.capabilities import lacks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "kept on Linux"))


class Asked:
    """A program that reads a file and one that is missing, and says what it was told to say."""

    def __init__(self, folder: Path, said: Any = "an answer") -> None:
        self.folder, self.said, self.times = folder / "state" / answers.FOLDER, said, 0
        self.read, self.missing = folder / "settings", folder / "more settings"
        self.while_asked: Callable[[], object] = lambda: None
        self.read.write_text("one")
        self.settle(self.read)
        self.folder.mkdir(parents=True, mode=0o700)
        self.place = Place(
            scope=Scope.USER,
            home=folder,
            environment={"HEADRACE_HOME": str(folder)},
            platform="linux",
            working_directory=folder,
            command=(),
        )

    @staticmethod
    def settle(path: Path) -> None:
        """Wait until a change of it would be seen in its time."""
        while time.time() - path.stat().st_ctime < answers._STEP + 0.02:
            time.sleep(0.01)

    def ask(self) -> tuple[Any, answers.Seen]:
        self.times += 1
        seen = {str(path): fingerprint(str(path)) for path in (self.read, self.missing)}
        self.while_asked()
        return self.said, seen

    def kept(self, *question: str) -> Any:
        return answers.kept("it", question, self.place, self.ask)

    @property
    def file(self) -> Path:
        return self.folder / "said-by-it"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems of Linux tell changes apart that are a hundredth of a second apart."""
    monkeypatch.setattr(answers, "_STEP", 0.03)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def change_folder(asked: Asked) -> None:
    asked.place = dataclass_with(asked.place, working_directory=asked.folder)


def change_environment(asked: Asked) -> None:
    asked.place = dataclass_with(asked.place, environment={**asked.place.environment, "A": "b"})


def dataclass_with(place: Place, **changes: Any) -> Place:
    fields = ("scope", "home", "environment", "platform", "working_directory", "command")
    return Place(**{name: getattr(place, name) for name in fields} | changes)


def rewrite(asked: Asked, **changes: Any) -> None:
    told = json.loads(asked.file.read_text())
    asked.file.write_text(json.dumps(told | changes))


def back_in_time(asked: Asked) -> None:
    before = asked.read.stat()
    asked.read.write_text("six")
    os.utime(asked.read, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Asked], object]] = {
    "a file is written": lambda it: it.read.write_text("two"),
    "a file is written with as many bytes and the old time": back_in_time,
    "a file is another": lambda it: (
        it.missing.with_name("new").write_text("one"),
        it.missing.with_name("new").replace(it.read),
    ),
    "a file is gone": lambda it: it.read.unlink(),
    "a file has come": lambda it: it.missing.write_text("one"),
    "a file has another mode": lambda it: it.read.chmod(0o600),
    "the environment": change_environment,
    "the folder at hand": change_folder,
    "an hour is over": lambda it: rewrite(it, made=time.time() - 3601),
    "it is of tomorrow": lambda it: rewrite(it, made=time.time() + 3600),
    "others can write it": lambda it: it.file.chmod(0o666),
    "others can put another in its place": lambda it: it.folder.chmod(0o777),
    "it is cut": lambda it: it.file.write_bytes(it.file.read_bytes()[:40]),
    "it is of another form": lambda it: it.file.write_text("[]"),
    "it is of another form within": lambda it: rewrite(it, seen=7),
    "it is gone": lambda it: it.file.unlink(),
}


def test_what_was_said_is_not_asked_for_twice(asked: Asked) -> None:
    assert [asked.kept("a"), asked.kept("a"), asked.kept("a")] == ["an answer"] * 3
    assert asked.times == 1
    assert asked.file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_it_is_asked_again_where_anything_has_changed(
    asked: Asked, change: Callable[[Asked], object]
) -> None:
    asked.kept("a")
    asked.kept("a")
    assert asked.times == 1
    change(asked)
    asked.said = "another answer"
    assert asked.kept("a") == "another answer"


def test_another_question_has_another_answer(asked: Asked) -> None:
    asked.kept("a")
    asked.said = "another answer"
    assert asked.kept("b") == "another answer"


@pytest.mark.parametrize("name", ["read", "missing"])
def test_what_changes_while_it_is_read_is_not_kept(asked: Asked, name: str) -> None:
    asked.while_asked = lambda: getattr(asked, name).write_text("two")
    asked.kept("a")
    assert not asked.file.exists()


def test_what_was_just_changed_is_not_kept(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_STEP", 60.0)
    asked.read.write_text("two")
    asked.kept("a")
    assert not asked.file.exists()


@pytest.mark.parametrize(
    "said",
    [
        {"channels": ["https://me:secret@channels.example/a"]},
        {"proxies": {"https": "http://me:secret@proxy.example"}},
        [["https://channels.example/t/se-cre-t/a"]],
    ],
)
def test_no_secret_is_kept(tmp_path: Path, said: Any) -> None:
    asked = Asked(tmp_path, said)
    assert asked.kept("a") == said
    assert list(asked.folder.iterdir()) == []


@pytest.mark.parametrize(
    "change", [{"scope": Scope.SYSTEM}, {"platform": "darwin"}, {"environment": {"SUDO_UID": "7"}}]
)
def test_nothing_is_kept_for_others_or_elsewhere(asked: Asked, change: dict[str, Any]) -> None:
    if environment := change.get("environment"):
        change = {"environment": {**asked.place.environment, **environment}}
    asked.place = dataclass_with(asked.place, **change)
    asked.kept("a")
    asked.kept("a")
    assert asked.times == 2


def test_without_a_folder_for_it_nothing_is_kept(asked: Asked) -> None:
    asked.folder.rmdir()
    assert asked.kept("a") == "an answer"
    assert not asked.folder.exists()


def test_what_says_nothing_is_asked_each_time(asked: Asked) -> None:
    assert answers.kept("it", ["a"], asked.place, lambda: None) is None
    assert not asked.file.exists()
