"""What every case is handed: the options, the files, the recorder; and how contenders are run."""

from __future__ import annotations

import contextlib
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.corpus import Channel, Corpus, Tree, environment, single_package, standard
from benchmarks.corpus.images import ImageTree, single_layer
from benchmarks.lab import Lab, LabFault, Topology, open_lab
from benchmarks.stage import Outcome, Stage

__all__ = ["Bench", "Contest", "Goal", "Row", "Skip", "failing"]

_BIG = 200_000_000
_BIG_QUICK = 60_000_000
_PACKAGE = 500_000_000
_PACKAGE_QUICK = 100_000_000
_LAYER = 600_000_000
_LAYER_QUICK = 100_000_000
#: Share of the few large packages of an environment.
_LARGE_QUICK = 0.25


class Skip(Exception):  # noqa: N818 - no error
    """A case cannot run on this machine, for the reason given, and nobody is to blame."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bar from the design; `most` or `least` is what a ratio may be."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        """Write it as the design does."""
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"

    def met(self, got: float) -> bool:
        """Tell whether a figure meets it."""
        return got <= self.most if self.most is not None else got >= (self.least or 0.0)

    def short_of(self, got: float) -> float:
        """How many times further it should be: above 1 where it is not met."""
        if self.most is not None:
            return got / self.most if self.most else float("inf")
        return (self.least or 0.0) / got if got else float("inf")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    got: float | None
    """None: it did not end well; `note` says how."""
    goal: Goal | None = None
    """None: told for comparison, nothing hangs on it."""
    note: str = ""
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Is the goal met? None where there is none."""
        if self.goal is None:
            return None
        return self.got is not None and self.goal.met(self.got)

    @property
    def short_of(self) -> float:
        """As `Goal.short_of`; what did not end well is the furthest away."""
        if self.goal is None:
            return 0.0
        return float("inf") if self.got is None else self.goal.short_of(self.got)


@dataclass(frozen=True, slots=True)
class Contest:
    """All runs of the contenders of one case."""

    runs: Mapping[str, list[Outcome]]

    def seconds(self, contender: str) -> float:
        """Median time of the runs that ended well; infinity when none did."""
        good = [run.seconds for run in self.runs[contender] if run.good]
        return statistics.median(good) if good else float("inf")

    def detail(self, contender: str, name: str) -> float | None:
        """Median of a figure that the runs which ended well have beside their time; None: none
        has it.
        """
        found = [
            run.detail[name] for run in self.runs[contender] if run.good and name in run.detail
        ]
        return statistics.median(found) if found else None

    def best(self, *contenders: str) -> str:
        """Name the fastest of these."""
        return min(contenders, key=self.seconds)

    def ratio(self, contender: str, to: str) -> float | None:
        """Time of one over time of the other; None when either never ended well."""
        mine, other = self.seconds(contender), self.seconds(to)
        return mine / other if float("inf") not in (mine, other) else None

    def trouble(self, contender: str) -> str:
        """Say which of a contender's runs did not end well, and how."""
        bad = [run for run in self.runs[contender] if not run.good]
        if not bad:
            return ""
        how = "wrong bytes" if bad[0].code == 0 else f"exit {bad[0].code}"
        return f"{len(bad)} of {len(self.runs[contender])} runs: {how}"


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks."""

    repeat: int
    quick: bool
    results: Path
    """Folder for this run's raw figures and logs."""
    records: list[dict[str, object]] = field(default_factory=list)
    lab_kind: str = ""
    case: str = ""

    @property
    def corpus(self) -> Corpus:
        """The files that labs serve."""
        return standard(_BIG_QUICK if self.quick else _BIG)

    @property
    def package(self) -> Channel:
        """A channel with one big conda package."""
        return single_package(_PACKAGE_QUICK if self.quick else _PACKAGE)

    @property
    def image(self) -> ImageTree:
        """An image with one big layer."""
        return single_layer(_LAYER_QUICK if self.quick else _LAYER)

    @property
    def environment(self) -> Channel:
        """A channel with the packages of a conda environment."""
        return environment(_LARGE_QUICK if self.quick else 1.0)

    @contextlib.contextmanager
    def lab(self, topology: Topology, tree: Tree | None = None) -> Iterator[tuple[Lab, Stage]]:
        """Build a lab for as long as the context lasts; its hosts serve `tree`, else the corpus."""
        served = tree or self.corpus
        with open_lab(topology, served.root, served.wrong) as lab:
            self.lab_kind = lab.kind
            yield lab, Stage(lab.command, lab.authority)

    def contest(
        self, contenders: Mapping[str, Callable[[], Outcome]], *, least: int = 1
    ) -> Contest:
        """Run all contenders `repeat` times, every second time in the opposite order.

        `least` times where one run says little; once in a quick one.
        """
        runs: dict[str, list[Outcome]] = {name: [] for name in contenders}
        for turn in range(self.repeat if self.quick else max(self.repeat, least)):
            order = list(contenders) if turn % 2 == 0 else list(contenders)[::-1]
            for name in order:
                outcome = contenders[name]()
                runs[name].append(outcome)
                self.record(outcome)
        return Contest(runs)

    def record(self, outcome: Outcome) -> None:
        """Keep a raw figure."""
        self.records.append(
            {
                "case": self.case,
                "contender": outcome.contender,
                "seconds": outcome.seconds,
                "code": outcome.code,
                "right": outcome.right,
                "told": "" if outcome.good else outcome.told,
                "load": os.getloadavg()[0],
                **outcome.detail,
            }
        )

    def log(self, name: str) -> Path:
        """Say where a gateway's log of this case is kept."""
        return self.results / "logs" / f"{self.case}-{name}.log"


@contextlib.contextmanager
def failing(lab: Lab, host: str, fault: LabFault, after: float) -> Iterator[None]:
    """Let a host fail `after` seconds from now; make it well at the end."""
    timer = threading.Timer(after, lab.fail, (host, fault))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        lab.restore(host)
        # A queue that was slow or a listener that was gone needs a moment.
        time.sleep(0.5)
