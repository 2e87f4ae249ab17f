"""Where the gateway is and how headrace is called: conda's settings, the environment, the state."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["Gateway", "command", "cuda_arch_wanted", "gateway", "turned_off"]

#: Set by `headrace run` for its command.
RUN_VARIABLE = "HEADRACE_CONDA_GATEWAY"


class Gateway:
    """An address on loopback, with the token that it wants, if any."""

    def __init__(self, url: str) -> None:
        """Read ``http://[user:token@]host:port``; ValueError when it is anything else."""
        from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - conda's start-up time

        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError("not a gateway's address")
        self.host = parts.hostname
        self.port = parts.port
        self.token = unquote(parts.password) if parts.password else None

    @property
    def url(self) -> str:
        """The base URL, without the token and without a final slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def _setting(name: str) -> object:
    from conda.base.context import context  # noqa: PLC0415 - conda's start-up time

    return getattr(getattr(context, "plugins", None), name, None)


def gateway() -> Gateway | None:
    """Return where the gateway is, up or not; None: none was ever set up."""
    text = os.environ.get(RUN_VARIABLE) or _setting("headrace_gateway") or _recorded()  # noqa: TID251
    try:
        return Gateway(str(text)) if text else None
    except ValueError:
        return None


def turned_off() -> bool:
    """Whether the user said `headrace off` to the headrace that is installed beside conda."""
    return any(os.path.exists(folder / "off") for folder in _states()[:1])  # noqa: PTH110 - raises not


def _states() -> list[Path]:
    """Return the state folders of a headrace that is installed beside conda, the user's first."""
    try:
        from headrace.interface import Folders, environment  # noqa: PLC0415 - conda's start-up time
    except ImportError:
        return []  # none, or a folder that happens to be called so
    return [Folders.of_user(environment()).state, Folders.of_system().state]


def _recorded() -> str:
    """Read where the gateway is from the records."""
    import json  # noqa: PLC0415 - conda's start-up time

    for state in _states():
        try:
            entry = json.loads(_believed(state / "gateway.json"))
            address = f"{entry['host']}:{int(entry['port'])}"
        except Exception:  # noqa: BLE001, S112 - whatever is wrong with the file, conda goes on
            continue
        try:
            token = json.loads(_believed(state / "token"))
        except Exception:  # noqa: BLE001 - as above
            token = ""
        return f"http://headrace:{token}@{address}" if token else f"http://{address}"
    return ""


def _believed(path: Path) -> bytes:
    """Return a record that nobody else can write: the folder's owner made it, and it is the user's,
    root's, or the account's of the machine's gateway. OSError for one that is not believed.
    """
    # Distinct bits, where a system has them. Nobody waits for a pipe.
    flags = os.O_RDONLY + getattr(os, "O_NONBLOCK", 0) + getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        told, folder = os.fstat(file.fileno()), path.parent.stat()
        if os.name != "nt":
            machine = path.parent == Path("/var/lib/headrace")
            owners = {0, os.geteuid(), *([folder.st_uid] if machine else [])}
            both = (told, folder)
            if any(each.st_mode & 0o22 or each.st_uid not in owners for each in both):
                raise PermissionError(f"{path} can be written by others")
        return file.read()


def command() -> list[str]:
    """Return how headrace is called; empty: it cannot be."""
    words = _setting("headrace_command")
    if isinstance(words, (list, tuple)) and words:
        return [str(word) for word in words]
    return [sys.executable, "-m", "headrace.cli"] if _states() else []


def cuda_arch_wanted() -> bool:
    """Whether the user switched ``__cuda_arch`` on: it changes what solvers take."""
    return _setting("headrace_cuda_arch") is True
