"""GPUs of other vendors than NVIDIA."""

from __future__ import annotations
