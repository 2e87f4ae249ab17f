"""An activation's bug is that tool's trouble: the others are led, shown and given back."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from headrace.errors import HeadraceError, LocalError
from headrace.interface.hookspecs import Activation

__all__ = ["guarded"]

_log = logging.getLogger("headrace.cli")


@contextlib.contextmanager
def guarded(activation: Activation) -> Iterator[None]:
    """Make whatever an activation raises an error that says whose it is."""
    try:
        yield
    except HeadraceError:
        raise
    except (Exception, SystemExit) as error:
        _log.debug("the activation of %s failed", activation.tool, exc_info=error)
        raise LocalError(
            "activation-failed",
            f"the plugin that leads {activation.tool} failed: {error!r}",
            hint=f"everything but {activation.tool} works without it; update that plugin, or tell "
            "whoever made it",
            fault_of="a plugin",
        ) from error
