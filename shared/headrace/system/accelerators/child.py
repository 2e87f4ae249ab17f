"""The child process that may hang or crash: ``python -m headrace.system.accelerators.child``.

Arguments: seconds to live, what to ask (``nvml``, ``libcuda``, ``plugin``), and the places of the
library or the name of the plugin's detector. One JSON object a line on the standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.variants.hosts import Accelerator

__all__ = ["main", "resolve"]


def _emitter() -> Callable[..., None]:
    """Take the standard output for ourselves: what a library prints goes nowhere."""
    sys.stdout.flush()
    mine = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def emit(**facts: Any) -> None:
        os.write(mine, json.dumps(facts, default=repr).encode() + b"\n")

    return emit


def _mortal(seconds: float) -> None:
    """Die in time even when the parent was killed, and leave no core file."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows
        import signal  # noqa: PLC0415 - as above

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + 2)
        # With a limit of 0 a program that collects cores (apport, systemd-coredump) is still run,
        # and a crash takes seconds of the time that all ways share. 1 is Linux' word for "none".
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def resolve(reference: str) -> Any:
    """Return what ``module:qualified.name`` names; AttributeError, ImportError where nothing."""
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _detector(name: str) -> Callable[[], Sequence[Accelerator]]:
    if ":" in name:
        function: Callable[[], Sequence[Accelerator]] = resolve(name)
        return function
    from headrace.interface.manager import Plugins  # noqa: PLC0415 - only where a plugin is asked

    for detector in Plugins().accelerator_detectors():
        if detector.name == name:
            return detector.detect
    raise LookupError(f"no plugin registers {name} here")


def _ask_plugin(name: str, emit: Callable[..., None]) -> None:
    import dataclasses  # noqa: PLC0415 - only where a plugin is asked

    for accelerator in _detector(name)():
        emit(accelerator=dataclasses.asdict(accelerator))
    emit(done=True)


def main(arguments: Sequence[str]) -> int:
    """Ask one way; what it raises is an answer too."""
    seconds, what, *words = arguments
    _mortal(float(seconds))
    emit = _emitter()
    try:
        if what == "plugin":
            _ask_plugin(words[0], emit)
        else:
            importlib.import_module(f"headrace.system.accelerators.nvidia.{what}").probe(
                words, emit
            )
    except Exception as error:  # noqa: BLE001 - a foreign function's or library's
        emit(raised=repr(error))
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr = None
    os._exit(status)  # no library's clean-up may crash after the answer is out
