"""conda channels for headrace: repodata, packages, and how conda's tools are pointed at them."""

from __future__ import annotations
