"""pip, uv, poetry and pdm behind headrace."""

from __future__ import annotations
