"""What `on` and `off` do beside editing: origins found, edits planned, the gateway kept up."""

from __future__ import annotations
