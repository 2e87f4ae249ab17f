"""Other tools' files: edited as a whole or not at all, recorded, and given back."""

from __future__ import annotations
