"""``PYTHONPATH=tests python -m lib.translations``: bring the catalogues to the code of now, and
list what has no translation yet.
"""

from __future__ import annotations

import sys

from lib.translations.kept import CATALOGUES, compiled, read, renewed, written

for path in CATALOGUES:
    catalogue = renewed(read(path))
    path.write_bytes(written(catalogue))
    path.with_suffix(".mo").write_bytes(compiled(catalogue))
    missing = [each for each in catalogue if each.id and not each.string]
    for each in missing:
        sys.stdout.write(f"{path.parents[1].name}: {each.id}\n")
