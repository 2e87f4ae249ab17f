"""An image brought to an engine here: ``headrace image pull``."""

from __future__ import annotations
