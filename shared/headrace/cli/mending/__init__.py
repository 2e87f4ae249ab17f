"""What headrace does about itself: mends, reports, leaves."""

from __future__ import annotations
