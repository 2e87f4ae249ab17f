"""The gateway that a user's runs share: where it is, and for how long."""

from __future__ import annotations
