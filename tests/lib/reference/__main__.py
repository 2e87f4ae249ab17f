"""``PYTHONPATH=tests python -m lib.reference``: write the reference again."""

from __future__ import annotations

from lib.reference.pages import PAGES, ROOT

for name, page in PAGES.items():
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(), "utf-8")
