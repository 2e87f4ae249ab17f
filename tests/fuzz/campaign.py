"""All targets, each for its share of the time, and what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fuzz import engines, worker
from fuzz.model import Finding, Target

__all__ = ["Outcome", "read_finding", "run_target", "write_finding"]

#: Seconds that a worker may take beyond its share: to start, to make findings small, to end.
_GRACE = 60.0
#: Starts of a target's worker within its share: what kills it is one finding, and then it goes on.
_STARTS = 3
_COVERED = re.compile(r"\bcov: (\d+)")


@dataclass(slots=True)
class Outcome:
    """What came of one target."""

    target: str
    engine: str
    runs: int = 0
    seconds: float = 0.0
    kept: int = 0
    """Inputs that reached something new."""
    covered: int = 0
    """Edges that were reached; 0 where nobody counts them."""
    peak: int = 0
    """MiB of the process."""
    findings: list[Finding] = field(default_factory=list)

    def line(self) -> str:
        """Return a row of the table."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        covered = str(self.covered) if self.covered else "-"
        return (
            f"{self.target:24}{self.engine:9}{self.runs:>10,}{rate:>9,.0f}{covered:>8}"
            f"{self.kept:>7}{self.peak:>6}{len(self.findings):>9}"
        )


HEADING = (
    f"{'target':24}{'engine':9}{'inputs':>10}{'a second':>9}{'edges':>8}"
    f"{'new':>7}{'MiB':>6}{'findings':>9}"
)


def run_target(
    target: Target, seconds: float, seed: int, engine: str, *, most: int = 10**9
) -> Outcome:
    """Run one target's worker, again where an input ended it, until its share is over.

    The plain engine ends after `most` inputs.
    """
    if not target.guided:
        engine = "plain"
    outcome = Outcome(target.name, engine)
    until = time.monotonic() + seconds
    for start in range(_STARTS):
        left = until - time.monotonic()
        if start and left < 1:
            break
        with tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder:
            if _one_start(outcome, target, left, (seed + start, most), Path(folder)):
                break
    return outcome


def _one_start(
    outcome: Outcome, target: Target, seconds: float, drawn: tuple[int, int], work: Path
) -> bool:
    """Run the worker once; give whether it ended as it should. `drawn`: seed and most inputs."""
    seed, most = drawn
    words = [
        target.module,
        target.name,
        f"{seconds:.1f}",
        str(seed),
        outcome.engine,
        str(most),
    ]
    command = [sys.executable, "-X", "faulthandler", "-m", "fuzz.worker", *words, str(work)]
    with (work / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            code = process.wait(seconds + _GRACE)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
    text = (work / "said").read_text("utf-8", "replace")
    known = {finding.key for finding in outcome.findings}
    for finding in _told(target.name, work):
        if finding.key not in known:
            outcome.findings.append(finding)
    with contextlib.suppress(OSError, ValueError):
        figures = json.loads((work / worker.TOLD).read_text("utf-8"))
        outcome.runs += figures["runs"]
        outcome.seconds += figures["seconds"]
        outcome.kept += figures["kept"]
        outcome.peak = max(outcome.peak, figures["peak"])
    outcome.covered = max(outcome.covered, *map(int, _COVERED.findall(text)), 0)
    if code == 0:
        return True
    detail = "never ended" if code is None else f"ended with {code}"
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    detail += f": {' | '.join(lines[-4:])}"[:400]
    outcome.findings.append(Finding(target.name, "crash", detail, "", _current(work)))
    return False


def _told(name: str, work: Path) -> list[Finding]:
    with contextlib.suppress(OSError):
        lines = (work / worker.FOUND).read_text("utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        return [
            Finding(name, e["what"], e["detail"], e["place"], bytes.fromhex(e["data"]))
            for e in entries
        ]
    return []


def _current(work: Path) -> bytes:
    """The input that was being tried."""
    with contextlib.suppress(OSError):
        data = (work / worker.CURRENT).read_bytes()
        return data[8 : 8 + int.from_bytes(data[:8], "big")]
    return b""


def write_finding(finding: Finding, seed: int, folder: Path) -> Path:
    """Write one down: a line that says what it is, then the input as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(repr(finding.key).encode()).hexdigest()[:8]
    path = folder / f"{finding.target}.{name}"
    told = {
        "target": finding.target,
        "what": finding.what,
        "detail": finding.detail,
        "place": finding.place,
        "seed": seed,
    }
    path.write_bytes(json.dumps(told).encode() + b"\n" + finding.data)
    return path


def read_finding(path: Path) -> tuple[str, bytes]:
    """Return target and input of one that was written down."""
    head, _, data = path.read_bytes().partition(b"\n")
    return str(json.loads(head)["target"]), data


def run(
    targets: Sequence[Target],
    *,
    seconds: float,
    seed: int,
    folder: Path,
    tell: Callable[[str], None] = print,
) -> list[Outcome]:
    """Run targets one after the other, `seconds` in all; what is found is written to `folder`."""
    engine = "atheris" if engines.has_atheris() else "plain"
    if engine == "plain":
        tell("atheris is not here (CPython on Linux and x86-64 has it): without coverage")
    tell(HEADING)
    outcomes = []
    until = time.monotonic() + seconds
    for number, target in enumerate(targets):
        shares = sum(each.weight for each in targets[number:])
        left = max(1.0, until - time.monotonic())
        outcome = run_target(target, left * target.weight / shares, seed, engine)
        outcomes.append(outcome)
        tell(outcome.line())
        for finding in outcome.findings:
            path = write_finding(finding, seed, folder)
            tell(f"  {finding.what} {finding.place} {finding.detail}\n    {path}")
    return outcomes
