"""What `explain` says of builds for accelerators."""

from __future__ import annotations
