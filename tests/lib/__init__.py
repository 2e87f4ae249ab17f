"""What tests share: servers that misbehave on order, packages, indexes, clients, the gateway."""

from __future__ import annotations
