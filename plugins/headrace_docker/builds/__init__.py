"""How what engines start in containers is led: builds, and single containers."""

from __future__ import annotations
