"""Channels as an ecosystem: paths, repodata, layouts of mirrors. Pure."""

from __future__ import annotations
