"""What pip was asked for: its own command line, files and settings, read as pip reads them."""

from __future__ import annotations
