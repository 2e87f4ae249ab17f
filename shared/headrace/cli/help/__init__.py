"""What people and shells are told of the command line itself: help, examples, completion."""

from __future__ import annotations
