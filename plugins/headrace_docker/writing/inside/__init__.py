"""What is copied into an image as it stands here; nothing of it runs on this side."""

from __future__ import annotations
