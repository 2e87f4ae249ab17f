"""What the activations of several ecosystems share: edits of files, programs, proxies."""

from __future__ import annotations
