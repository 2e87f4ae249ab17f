"""docker's and podman's stores of logins, and our credential helper."""

from __future__ import annotations
