"""The settings file: its text, where things stand in it, and how a command changes it."""

from __future__ import annotations
