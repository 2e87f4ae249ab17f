"""Who keeps the holder up: systemd, launchd, Windows, or nobody."""

from __future__ import annotations
