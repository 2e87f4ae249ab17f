"""Small changes of the pure rooms and of the journal, each of which a fast test has to notice.

``python -m lib.mutation [--rooms A,B] [--most N] [--seed S] [--minutes M] [--again] FOLDER`` lets
mutmut (which makes all mutants of a file at once and forks for each, so that nothing is imported
twice) work through one room after the other below FOLDER, and prints a table and the survivors.
FOLDER keeps what was found: a second run tries only what changed, `--again` what survived as well.

Not every survivor is a gap: `equivalent_mutants.toml` lists those that change nothing, with why.
mutmut changes nothing outside functions, and no function with a decorator.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import Phase, settings

__all__ = ["ROOMS", "Room", "main"]

_HERE = Path(__file__).resolve().parents[3]
#: What mutmut's exit codes mean; anything else is a crash, which is noticed too.
_WORDS: Mapping[int | None, str] = {
    None: "not tried",
    0: "survived",
    5: "no test",
    33: "no test",
    -24: "killed",
    1: "killed",
}
# A law that breaks is enough (pytest loads this file as a plugin): which is the smallest example of
# it would take minutes to find, for each mutant.
settings.register_profile(
    "mutation", deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
#: The same examples for every mutant: a survivor of today survives tomorrow.
_PYTEST = (
    *("-p", "no:xdist", "-p", "no:cacheprovider", "-p", "lib.mutation"),
    *("--hypothesis-profile=mutation", "--hypothesis-seed=0", "--timeout=0"),
)
#: Examples of a law: changed code is many times slower, and most mutants die of the first ones.
_EXAMPLES = 8
#: Lines without mutants: what people read in logs and errors is nobody's decision.
_LEFT_OUT = (r"_log\.\w+\(", r"raise \w+\(")


@dataclass(frozen=True, slots=True)
class Room:
    """Files to change, below ``shared/headrace``, and the tests that must notice."""

    files: Sequence[str]
    tests: Sequence[str]


ROOMS: Mapping[str, Room] = {
    "http": Room(["http/*"], ["unit/http", "property/test_ranges.py"]),
    "policy": Room(["policy/*"], ["unit/policy", "property/test_selection.py"]),
    "edits": Room(
        ["system/edits/three_way.py", "system/edits/file_step.py", "system/edits/journal.py"],
        ["unit/system/edits", "property/test_edits.py"],
    ),
    "variants": Room(["variants/*"], ["unit/variants", "property/variants"]),
    "transfer": Room(
        ["transfer/*"], ["unit/transfer", "property/test_ranges.py", "property/test_transfer.py"]
    ),
}


def pytest_collection_modifyitems(items: Iterable[object]) -> None:
    """Bound what a law tries, also where it says itself how much that is (pytest's hook)."""
    for item in items:
        law = getattr(item, "obj", None)
        own = getattr(law, "_hypothesis_internal_use_settings", None)
        if own is not None:
            few = settings(own, max_examples=min(own.max_examples, _EXAMPLES))
            law._hypothesis_internal_use_settings = few  # type: ignore[union-attr]


def _prepare(room: Room, work: Path) -> None:
    """Lay the room out as mutmut wants it: it knows packages below ``src`` and no other folder."""
    work.mkdir(parents=True, exist_ok=True)
    for name, there in (("src", _HERE / "shared"), ("tests", _HERE / "tests")):
        (work / name).unlink(missing_ok=True)
        (work / name).symlink_to(there)
    _forget(work)
    shutil.copy(_HERE / "pyproject.toml", work)
    told = {
        "source_paths": ["src"],
        "only_mutate": [f"src/headrace/{name}" for name in room.files],
        "do_not_mutate_patterns": _LEFT_OUT,
        "pytest_add_cli_args": _PYTEST,
        "pytest_add_cli_args_test_selection": [f"tests/{name}" for name in room.tests],
        # CPU seconds: four times what the tests take, for mutants that never end.
        "timeout_constant": ["3"],
        "timeout_multiplier": ["2"],
        "track_dependencies": ["false"],
        "use_git_change_detection": ["false"],
    }
    lines = [f"{key} =\n" + "".join(f"    {v}\n" for v in values) for key, values in told.items()]
    (work / "setup.cfg").write_text("[mutmut]\n" + "".join(lines))


def _forget(work: Path) -> None:
    """Remove an earlier run's copies, which mutmut never renews, but for the files with mutants.

    Which test runs through which function is measured anew: mutmut itself looks only at new tests,
    so that a function which moved since has none, or too few, and its mutants live.
    """
    shutil.rmtree(work / "mutants" / "tests", ignore_errors=True)
    (work / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    base = work / "mutants" / "src"
    for path in base.rglob("*.py"):
        about = [path.with_name(path.name + kind) for kind in (".meta", ".spans")]
        if not about[0].exists() or not (work / "src" / path.relative_to(base)).exists():
            for each in (path, *about):
                each.unlink(missing_ok=True)


def _mutmut(work: Path, names: Iterable[str], seconds: float, children: int) -> None:
    """Run mutmut; what it has found when the time is over counts."""
    program = Path(sys.executable).with_name("mutmut")
    paths = (_HERE / "plugins", _HERE / "tests")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    with (work / "mutmut.log").open("ab") as log:
        running = subprocess.Popen(
            [program, "run", f"--max-children={children}", *names],
            cwd=work,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(seconds)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
                running.wait()


def _found(work: Path) -> Iterator[tuple[str, str, int | None]]:
    """Give module, mutant and mutmut's exit code."""
    base = work / "mutants" / "src" / "headrace"
    for path in sorted(base.rglob("*.py.meta")):
        module = str(path.relative_to(base)).removesuffix(".meta")
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            yield module, name, code


def _shown(work: Path, mutant: str) -> list[str]:
    """Return the lines that a mutant takes out and puts in, each with its sign."""
    program = Path(sys.executable).with_name("mutmut")
    told = subprocess.run(
        [program, "show", mutant], cwd=work, capture_output=True, text=True, check=False
    ).stdout
    changed = (line for line in told.splitlines() if line[:1] in ("+", "-"))
    return [line[0] + line[1:].strip() for line in changed if line[:3] not in ("+++", "---")]


def _survivors(rooms: Mapping[str, Path]) -> Iterator[str]:
    """Give those that nobody has explained, with what they change."""
    known = tomllib.loads(Path(__file__).with_name("equivalent_mutants.toml").read_text())
    for work in rooms.values():
        for module, mutant, code in _found(work):
            if _WORDS.get(code) in ("survived", "no test"):
                lines = _shown(work, mutant)
                explained = known.get(module, {})
                if not any(explained.get(line[1:]) for line in lines if line[0] == "+"):
                    yield "\n    ".join([mutant, *lines])


def _table(rooms: Mapping[str, Path]) -> str:
    lines = [
        "| module | mutants | tried | killed | survived | no test |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for work in rooms.values():
        counts: dict[str, Counter[str]] = {}
        for module, _, code in _found(work):
            counts.setdefault(module, Counter())[_WORDS.get(code, "killed")] += 1
        for module, told in counts.items():
            tried = told.total() - told["not tried"]
            words = (told.total(), tried, told["killed"], told["survived"], told["no test"])
            lines.append(f"| {module} | " + " | ".join(map(str, words)) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 when a mutant survived."""
    parser = argparse.ArgumentParser(prog="python -m lib.mutation")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--most", type=int, default=1 << 30, help="mutants of a room, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0, help="for all rooms together")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", action="store_true", help="try survivors again")
    asked = parser.parse_args(arguments)
    until = time.monotonic() + asked.minutes * 60
    rooms = {name: asked.folder.resolve() / name for name in asked.rooms.split(",")}
    for name, work in rooms.items():
        _prepare(ROOMS[name], work)
        # A name that no mutant has: they are made, and the tests are measured, and that is all.
        _mutmut(work, ["none"], until - time.monotonic(), asked.children)
        every = sorted(mutant for _, mutant, _ in _found(work))
        chosen = set(random.Random(asked.seed).sample(every, min(asked.most, len(every))))
        again = (None, 0, 5, 33) if asked.again else (None,)
        left = [m for _, m, code in _found(work) if m in chosen and code in again]
        if left and until > time.monotonic():
            _mutmut(work, left, until - time.monotonic(), asked.children)
    survivors = list(_survivors(rooms))
    sys.stdout.write("\n".join([_table(rooms), *survivors, ""]))
    return int(bool(survivors))
