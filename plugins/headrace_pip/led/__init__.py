"""By which way the commands of Python's tools are led, as `headrace.interface.LedTool` has it."""

from __future__ import annotations
