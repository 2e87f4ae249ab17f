"""Python packages as an ecosystem: paths, names, layouts of mirrors, read-ahead. Pure."""

from __future__ import annotations
