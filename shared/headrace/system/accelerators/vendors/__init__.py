"""GPUs of other vendors, and detectors that plugins bring."""

from __future__ import annotations
