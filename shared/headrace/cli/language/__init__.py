"""What is said in the reader's language: which that is, sentences, and how wide they are."""

from __future__ import annotations
