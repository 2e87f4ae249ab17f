"""What `headrace explain` is told of a machine that has a test's gateway."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from headrace.config import Folders, Settings
from headrace.interface.hookspecs import GatewayAddress
from headrace.interface.manager import Plugins
from headrace.models import Origin
from headrace.system.service.identity import Expected
from lib.world import World

__all__ = ["context_at"]


def context_at(made: World, folder: Path) -> Any:
    """Stand in for the command line's context."""
    origins = [
        SimpleNamespace(origin=Origin("python", made.origin)),
        SimpleNamespace(origin=Origin("python", made.named["pytorch"], name="pytorch")),
    ]
    address = GatewayAddress("127.0.0.1", made.gateway.port)
    state = SimpleNamespace(origins=lambda: origins, gateway=lambda: address, expected=Expected)
    folders = Folders(folder / "c", folder / "s", folder / "k")
    return SimpleNamespace(
        plugins=Plugins(), state=state, env={}, settings=Settings(), folders=folders
    )
