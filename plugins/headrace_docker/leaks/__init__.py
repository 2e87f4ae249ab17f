"""Secrets where others would find them: in what a build is sent, and in what an image holds."""

from __future__ import annotations
