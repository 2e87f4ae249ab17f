"""Whose something is: who else can write a file, who listens on a port, which program has the other
end of a connection. As the system tells.
"""

from __future__ import annotations
