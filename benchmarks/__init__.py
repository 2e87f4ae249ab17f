"""What headrace is worth, measured beside its peers in a lab of uneven mirrors.

``python -m benchmarks`` (or ``tox -e bench``) builds the lab, runs the cases and prints ratios.
"""

from __future__ import annotations
