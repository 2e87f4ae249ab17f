"""What a tool has beside its index that the gateway cannot take over: then it is left alone."""

from __future__ import annotations
