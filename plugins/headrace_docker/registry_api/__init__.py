"""The pull API as an ecosystem: names, manifests, layouts of mirrors. Pure."""

from __future__ import annotations
