"""Container engines and the machines that they run on, for tests."""

from __future__ import annotations
