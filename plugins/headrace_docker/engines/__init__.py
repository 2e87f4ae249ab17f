"""How each container engine is found and pointed at the gateway."""

from __future__ import annotations
