"""The four tools of Python packages that can be pointed at the gateway."""

from __future__ import annotations

from headrace.interface import Activation
from headrace_pip.tools.pdm import PdmActivation
from headrace_pip.tools.pip import PipActivation
from headrace_pip.tools.poetry import PoetryActivation
from headrace_pip.tools.uv import UvActivation

__all__ = ["every"]


def every() -> list[Activation]:
    """Return them, pip first: its default index is the others' too."""
    return [PipActivation(), UvActivation(), PoetryActivation(), PdmActivation()]
