"""A machine and user that activations can describe edits for, below a folder of the test."""

from __future__ import annotations

from pathlib import Path

from headrace.interface.hookspecs import GatewayAddress, Place, Scope

__all__ = ["GATEWAY", "INDEX", "place", "reader"]

GATEWAY = GatewayAddress("127.0.0.1", 17223)
#: Where GATEWAY serves the index.
INDEX = "http://127.0.0.1:17223/simple/"


def place(
    base: Path,
    env: dict[str, str] | None = None,
    *,
    command: tuple[str, ...] = (),
    scope: Scope = Scope.USER,
    platform: str = "linux",
) -> Place:
    """Give a place whose home, system folders and working directory lie below `base`."""
    for name in ("home", "work"):
        (base / name).mkdir(parents=True, exist_ok=True)
    fixed = {"XDG_CONFIG_DIRS": str(base / "xdg"), "PATH": str(base / "bin")}
    return Place(
        scope=scope,
        home=base / "home",
        environment={**fixed, **(env or {})},
        platform=platform,
        working_directory=base / "work",
        command=command,
    )


def reader(path: Path) -> bytes | None:
    """Read a file below a test's folder; what lies elsewhere on this machine is not there."""
    if str(path).startswith("/etc/"):
        return None
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
