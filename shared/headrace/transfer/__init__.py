"""Pure: one download as a state machine. Events in, actions out, time as an argument."""

from __future__ import annotations
