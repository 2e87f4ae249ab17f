"""The contenders, each as its users run it: clients of the index, and headrace between."""

from __future__ import annotations
