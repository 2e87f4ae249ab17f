"""Whether what an input did is allowed: exceptions, CPU time, memory."""

from __future__ import annotations

import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from fuzz.model import BrokenLaw, Finding, Run, Target

__all__ = ["Oracle", "TooSlow"]

_HERE = Path(__file__).resolve().parents[2]
_OURS = (str(_HERE / "shared"), str(_HERE / "plugins"), str(_HERE / "tests" / "fuzz" / "targets"))
#: An input may cost this much more for each byte than the costliest seed, and this many times the
#: fixed work beside that: seconds are the machine's, ratios are ours.
_PER_BYTE = 25
_FIXED = 60
#: Turns of the fixed work that each byte may cost in any case.
_TURNS, _TURNS_PER_BYTE = 30_000, 50
#: Times that an input must have been too slow: the machine is others' too.
_TIMES = 3
#: CPU seconds for an input whose time is not bounded.
_PATIENCE = 30.0
#: Bytes that the process may grow by one input, and by one of its bytes.
_GROWTH = 64 << 20
_GROWTH_PER_BYTE = 4096
#: Runs that making an input smaller may take, and the CPU seconds of one that is worth it.
_SHRINKING = 150
_QUICK = 0.02


class TooSlow(BaseException):
    """The CPU time of an input is over."""


def _work() -> int:
    total = 0
    for number in range(_TURNS):
        total += number & 7
    return total


def _cost(run: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.thread_time()
        run()
        best = min(best, time.thread_time() - start)
    return best


def _out_of_time(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TooSlow


class Oracle:
    """Runs inputs. What is wrong with them is told once for each kind of fault."""

    def __init__(self, target: Target, run: Run, tell: Callable[[Finding], None]) -> None:
        """`tell` hears each new finding, with an input that was made small."""
        self.target = target
        self._run = run
        self._tell = tell
        self._known: set[tuple[str, str, str]] = set()
        self.runs = 0
        signal.signal(signal.SIGVTALRM, _out_of_time)
        unit = _cost(_work, 5)
        self._fixed = _FIXED * unit
        self._per_byte = unit / _TURNS * _TURNS_PER_BYTE
        self._calibrate()
        self._peak = _peak()

    def _calibrate(self) -> None:
        """See what a byte of the seeds costs, beside what an empty input costs."""
        none = self._cost_of(b"")
        self._fixed += none
        for seed in self.target.seeds():
            rate = (self._cost_of(seed) - none) / max(len(seed), 64)
            self._per_byte = max(self._per_byte, _PER_BYTE * rate)

    def _cost_of(self, data: bytes) -> float:
        try:
            return _cost(lambda: self._run(data), 3)
        except Exception:  # noqa: BLE001 - whether it may is asked later
            return 0.0

    def __call__(self, data: bytes) -> str:
        """Run one input; return a word for what it did."""
        self.runs += 1
        finding, word = self._judge(data)
        if finding is not None and finding.key not in self._known:
            self._known.add(finding.key)
            self._tell(self._smaller(finding))
        return word

    def _judge(self, data: bytes) -> tuple[Finding | None, str]:
        finding, word = self._once(data)
        if finding is not None and finding.what == "time" and finding.key not in self._known:
            for _ in range(_TIMES - 1):
                again, _ = self._once(data)
                if again is None or again.what != "time":
                    return None, word
        if finding is not None:
            return finding, word
        peak = _peak()
        grown, self._peak = peak - self._peak, max(peak, self._peak)
        if grown > _GROWTH + _GROWTH_PER_BYTE * len(data):
            detail = f"{grown >> 20} MiB more for {len(data)} bytes"
            return Finding(self.target.name, "memory", detail, "", data), word
        return None, word

    def _once(self, data: bytes) -> tuple[Finding | None, str]:
        allowed = self._fixed + self._per_byte * len(data) if self.target.timed else _PATIENCE
        signal.setitimer(signal.ITIMER_VIRTUAL, allowed)
        try:
            answer = self._run(data)
        except BrokenLaw as law:
            return self._found("law", data, law), f"law {law}"[:60]
        except self.target.allowed as error:
            return None, f"{type(error).__name__} {_place(error)}"
        except TooSlow as late:
            place = _place(late)
            detail = f"more than {allowed:.3f} s of CPU for {len(data)} bytes"
            return Finding(self.target.name, "time", detail, place, data), f"time {place}"
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - that is the question
            return self._found("exception", data, error), f"{type(error).__name__} {_place(error)}"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return None, f"= {answer}"[:400]

    def _found(self, what: str, data: bytes, error: BaseException) -> Finding:
        text = " ".join(str(error).split())[:160]
        return Finding(
            self.target.name, what, f"{type(error).__name__}: {text}", _place(error), data
        )

    def _smaller(self, finding: Finding) -> Finding:
        """Take out of the input what the fault does not need."""
        start = time.thread_time()
        again = self._judge(finding.data)[0]
        if time.thread_time() - start > _QUICK or again is None or again.key != finding.key:
            return finding
        chance = random.Random(0)
        for _ in range(_SHRINKING):
            data = finding.data
            size = min(len(data), max(1, int(len(data) * chance.choice([0.5, 0.25, 0.1, 0.02]))))
            at = chance.randrange(len(data) - size + 1)
            smaller = self._judge(data[:at] + data[at + size :])[0] if data else None
            if smaller is not None and smaller.key == finding.key:
                finding = smaller
        return finding


def _peak() -> int:
    """Bytes that the process had at its largest.

    Not by getrusage(2) on Linux: there a program begins with what had been its parent's peak.
    """
    if sys.platform == "linux":
        with open("/proc/self/status", "rb", buffering=4096) as status:  # noqa: PTH123 - each input
            text = status.read()
        return int(text.partition(b"VmHWM:")[2].split(None, 1)[0]) << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _place(error: BaseException) -> str:
    """Name the innermost line of ours that an error came through."""
    found = ""
    for frame in _frames(error):
        if frame.filename.startswith(_OURS):
            found = f"{Path(frame.filename).relative_to(_HERE)}:{frame.lineno}"
    return found


def _frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
