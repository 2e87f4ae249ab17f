"""``python -m headrace.system.accelerators``: what this host can compute on, as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from headrace.config import Folders, environment
from headrace.interface.manager import Plugins
from headrace.system.accelerators.detection import detect
from headrace.system.accelerators.host_view import HostView

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Detect and print."""
    parser = argparse.ArgumentParser(prog="python -m headrace.system.accelerators")
    parser.add_argument("--cached", action="store_true", help="what was found before will do")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds for each way of asking")
    parser.add_argument("--root", type=Path, default=Path("/"), help="folder instead of /")
    options = parser.parse_args(arguments)
    env = environment()
    host = detect(
        HostView(env, root=options.root, timeout=options.timeout),
        detectors=Plugins().accelerator_detectors(),
        cache=Folders.of_user(env).cache if options.cached else None,
    )
    sys.stdout.write(json.dumps(asdict(host), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
