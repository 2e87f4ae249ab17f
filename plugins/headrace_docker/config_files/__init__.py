"""Engines' configuration files as text: our part put in and taken out. Pure."""

from __future__ import annotations
