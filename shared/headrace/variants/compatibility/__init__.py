"""Pure: whether one build runs on one host, by driver, GPU and label."""

from __future__ import annotations
