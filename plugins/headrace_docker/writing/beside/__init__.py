"""What stands beside the Dockerfile in a written folder."""

from __future__ import annotations
