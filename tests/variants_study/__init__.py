"""Hosts at random against everything that pip can be asked of torch's family, with pip alone and
through headrace: ``python -m variants_study``, or ``tox -e variants-study``.

A *cell* is a host and a request. Both pips are real; the indexes are a copy of the live ones'
shape. What came is judged by a reading of the rule that knows nothing of headrace's own code: what
plain pip installs must not fail, a family is of one CUDA, a build runs where one that runs was
listed, a default that runs stays, what the user named wins, and `explain` names what pip takes.
"""

from __future__ import annotations
