"""What these commands show to people, and read of them: columns, bars, sentences, sizes, times."""

from __future__ import annotations
