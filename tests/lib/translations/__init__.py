"""Messages of the command line in other languages: found in the code, kept in ``.po`` files."""

from __future__ import annotations
