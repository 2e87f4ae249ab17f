"""An image tried in a container: what runs inside, and what its words mean."""

from __future__ import annotations
