"""I/O: the loopback server. Only this room knows a client's connection."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Unloaded(ModuleType):
    """uvicorn's command line, for whoever only names it: the package does, when it is imported, and
    that brought click and multiprocessing: 2 MB and 20 ms in a process whose command line is ours.
    """

    def __getattr__(self, name: str) -> Any:
        if name == "Server":
            from uvicorn.server import Server  # noqa: PLC0415 - its package is being imported

            return Server
        if name not in ("main", "run"):
            raise AttributeError(name)

        def called(*given: Any, **named: Any) -> Any:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            return getattr(importlib.import_module(self.__name__), name)(*given, **named)

        return called


sys.modules.setdefault("uvicorn.main", _Unloaded("uvicorn.main"))
