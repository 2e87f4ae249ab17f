"""What the indexes list of torch and its family, as far as the shipped tables know."""

from __future__ import annotations

from headrace.builds import Candidate, CudaTables
from headrace.cuda_tables import load
from headrace.policy import variant_listing

__all__ = ["TABLES", "listing"]

TABLES: CudaTables = load()


def listing() -> list[Candidate]:
    """Return all that is listed."""
    return variant_listing.listing(TABLES)
