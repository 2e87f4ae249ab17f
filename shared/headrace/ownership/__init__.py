"""Whose something is: who else can write a file, and who listens on a port. As the system tells."""

from __future__ import annotations
