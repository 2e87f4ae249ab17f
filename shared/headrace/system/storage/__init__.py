"""Files that headrace keeps: content by digest, pages, large documents and tables of them."""

from __future__ import annotations
