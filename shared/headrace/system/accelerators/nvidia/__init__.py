"""NVIDIA's GPUs: every way of asking for them, in bounds."""

from __future__ import annotations
