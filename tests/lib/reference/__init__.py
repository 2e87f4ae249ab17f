"""The reference in ``docs/``, made of the code so that it cannot go stale.

``python -m lib.reference`` writes it; a test compares what is there with what would be written.
"""

from __future__ import annotations
