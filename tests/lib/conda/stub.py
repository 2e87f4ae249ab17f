"""As much of conda as the plugin imports, for tests in a process that has no conda."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

__all__ = ["Stub", "stub"]


class Stub:
    """What conda would say, changed by a test as it likes."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self.context = SimpleNamespace(
            channel_settings=[],
            offline=False,
            plugins=SimpleNamespace(headrace_gateway="", headrace_command=()),
            plugin_manager=SimpleNamespace(get_auth_handler=self.handlers.get),
        )
        self.login: Callable[[Any], None] = lambda request: None
        """What conda does to each request: a token from a login, a password from netrc."""

    def load(self, name: str) -> Any:
        """Import a module of the plugin."""
        return import_module(f"headrace_conda_inside{name and '.'}{name}")


@contextmanager
def stub() -> Iterator[Stub]:
    """Put it in conda's place, and take it away with all that was imported meanwhile."""
    made = Stub()

    class ChannelAuthBase:
        def __init__(self, channel_name: str | None = None) -> None:
            self.channel_name = channel_name

    class CondaHttpAuth:
        def __call__(self, request: Any) -> Any:
            made.login(request)
            return request

    content: dict[str, dict[str, Any]] = {
        "conda": {},
        "conda.base": {},
        "conda.base.context": {"context": made.context},
        "conda.gateways": {},
        "conda.gateways.connection": {},
        "conda.gateways.connection.session": {"CondaHttpAuth": CondaHttpAuth},
        "conda.plugins": {"hookimpl": _hookimpl},
        "conda.plugins.types": {"ChannelAuthBase": ChannelAuthBase},
        "conda.exceptions": {
            "CondaHTTPError": type("CondaHTTPError", (Exception,), {}),
            "ProxyError": type("ProxyError", (Exception,), {}),
        },
    }
    for kind in ("AuthHandler", "PreCommand", "Subcommand", "HealthCheck", "Setting", "ErrorHint"):
        content["conda.plugins.types"][f"Conda{kind}"] = _kind(kind)
    before = dict(sys.modules)
    for name, names in content.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(names)
    for name in [n for n in sys.modules if n.startswith("headrace_conda_inside")]:
        del sys.modules[name]
    try:
        yield made
    finally:
        for name in [
            n for n in sys.modules if n.split(".")[0] in ("conda", "headrace_conda_inside")
        ]:
            del sys.modules[name]
        mine = {
            k: v for k, v in before.items() if k.split(".")[0] in ("conda", "headrace_conda_inside")
        }
        sys.modules.update(mine)


def _hookimpl(function: Any = None, **_: Any) -> Any:
    return function if function is not None else _hookimpl


def _kind(name: str) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        return SimpleNamespace(kind=name, args=args, **kwargs)

    return made
