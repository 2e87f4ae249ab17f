"""How pip, uv, poetry and pdm are pointed at the gateway."""

from __future__ import annotations
