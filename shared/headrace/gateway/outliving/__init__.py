"""Connections that outlive the worker: lent to the holder, and gone on with by the next one."""
