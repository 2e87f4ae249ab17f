"""What the gateway tells commands when they ask: measurements, and what was recorded."""

from __future__ import annotations
