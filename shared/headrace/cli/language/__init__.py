"""What is said in the reader's language: which that is, and sentences by their forms."""

from __future__ import annotations
