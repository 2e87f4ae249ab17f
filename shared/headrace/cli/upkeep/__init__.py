"""Commands between installs, and what they share: mirrors, the store, the record, the settings."""

from __future__ import annotations
