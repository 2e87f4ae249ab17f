"""The pages of a family in its variant indexes: brought at the same time, and what is not there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from headrace.documents.cache import Documents, Page
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import Ecosystem, ListsBuilds
from headrace.models import Fault
from headrace.system.asked_labels import AskedLabels
from headrace.variants.tables import load

__all__ = ["HasBuilds", "VariantIndexes"]

_log = logging.getLogger("headrace.variants")


class HasBuilds(Ecosystem, ListsBuilds, Protocol):
    """An ecosystem whose projects have builds."""


class VariantIndexes:
    """Asks variant indexes, by project and label; an empty label is the default index."""

    def __init__(self, documents: Documents, asked_labels: AskedLabels) -> None:
        """`asked_labels` remembers which indexes that nobody promised were asked for."""
        self._documents = documents
        self._asked_labels = asked_labels

    def due(self, labels: Iterable[str]) -> list[str]:
        """Return those of the labels that nobody promised which may be asked for now."""
        return self._asked_labels.due(labels)

    async def pages(
        self, ecosystem: HasBuilds, wanted: Iterable[tuple[str, str]], form: str
    ) -> dict[tuple[str, str], Page]:
        """Bring pages; one that its index says it lacks is left out. UpstreamError for others."""
        keys = list(wanted)
        found = await asyncio.gather(*(self._one(ecosystem, *key, form) for key in keys))
        return {key: page for key, page in zip(keys, found, strict=True) if page is not None}

    async def unpromised(
        self, ecosystem: HasBuilds, labels: Sequence[str], projects: Sequence[str], form: str
    ) -> dict[tuple[str, str], Page]:
        """Bring pages of indexes that may not be there; whatever fails is asked again tomorrow."""
        found: dict[tuple[str, str], Page] = {}
        for label in labels:
            # Before the answer: one that never comes is no reason to ask the next time.
            await asyncio.to_thread(self._asked_labels.missing, label)
            try:
                if await self.pages(ecosystem, [(load().lead, label)], form):
                    await asyncio.to_thread(self._asked_labels.found, label)
                    found |= await self.pages(ecosystem, [(p, label) for p in projects], form)
            except UpstreamError as error:
                _log.info("the index of %s cannot be asked: %s", label, error)
        return found

    async def _one(self, ecosystem: HasBuilds, project: str, label: str, form: str) -> Page | None:
        plan = ecosystem.variant_page(project, label)
        if plan is None:
            return None
        try:
            return await self._documents.get(ecosystem, plan, form)
        except UpstreamError as error:
            if error.fault is Fault.MISSING:
                return None
            raise
