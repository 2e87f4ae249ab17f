"""What the indexes list of torch and its family, as far as the shipped tables know."""

from __future__ import annotations

from headrace.variants import listing as variant_listing
from headrace.variants.builds import Candidate, CudaTables
from headrace.variants.tables import load

__all__ = ["TABLES", "listing"]

TABLES: CudaTables = load()


def listing() -> list[Candidate]:
    """Return all that is listed."""
    return variant_listing.listing(TABLES)
