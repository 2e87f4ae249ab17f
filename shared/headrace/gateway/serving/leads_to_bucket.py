"""Clients that are led to a fleet's bucket, instead of being sent its bytes through the gateway."""

from __future__ import annotations

import asyncio
import contextlib

from headrace.gateway.exchange import Exchange
from headrace.models import Artifact
from headrace.policy.clients import Clients
from headrace.upstream.objects.bucket import Bucket

__all__ = ["LeadsToBucket"]

#: Seconds that a bucket has to say whether it has a file.
_WITHIN = 0.5
#: Smaller files come through the gateway: a second connection takes longer than they do.
_LARGE = 8 << 20


class LeadsToBucket:
    """Gives the way to whole files. What is there was checked when it was put there, and whoever
    installs a file of this size checks it by the digest of its page or manifest.
    """

    def __init__(self, bucket: Bucket, clients: Clients) -> None:
        """`clients` tells which of them follow a redirect in a file's place."""
        self._bucket = bucket
        self._clients = clients

    async def lead(self, exchange: Exchange, artifact: Artifact) -> bool:
        """Answer with a signed URL; False: nothing was answered."""
        size, digest = artifact.size, artifact.digest
        if digest is None or size is None or size <= _LARGE or not artifact.mirrored:
            return False
        if artifact.origin.private or artifact.provisional is not None:
            return False
        traits = self._clients.of(exchange.request.headers.get("user-agent", ""))
        if exchange.head or exchange.already or not traits.after_redirect:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN):
                there = await self._bucket.has(digest, size)
            url = self._bucket.place(digest) if there else None
            if url is not None:
                await exchange.redirect(url, "headrace: the fleet's bucket has it")
                return True
        return False
