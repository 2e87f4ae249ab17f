"""Who is shown which credential: origins their own, mirrors a login that is theirs (promise 4)."""

from __future__ import annotations
