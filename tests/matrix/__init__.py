"""Every client against every fault of mirrors: ``python -m matrix``, or ``tox -e matrix``.

A *cell* is a client, a fault, a file of one size, and who has the fault: one of three mirrors, two
of them, or two and the origin's files. It is fine when the client's own command succeeds at its
first try, what was installed has the right bytes, and no wrong byte lies in the gateway's store.
How long it took, and which share of the bytes came from the origin, is written down and judged by
nobody.
"""

from __future__ import annotations
