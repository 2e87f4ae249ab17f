"""Why no setting of mamba 2 and micromamba is touched: they are led for one command, as if they
talked to their origin (``headrace run``, `headrace_conda.tools.led`).

Their own setting, ``mirrored_channels``, cannot be used without a trace, by libmamba's source:

- A channel that stands there is loaded into every solve, above the channels that were asked for
  (``prepare_subdirs_and_packages``): what is installed would change.
- A package is fetched from the URL that is recorded of it, which is made of the first mirror's
  (``get_download_request_components``). With the gateway first, conda-meta and
  ``list --explicit`` name the gateway; with the origin first, no package comes through it.

``channel_alias`` and ``custom_channels`` are recorded in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Standing,
)
from headrace.interface.editing import presence
from headrace_conda.tools.rattler_paths import config_folders

__all__ = ["MambaActivation"]


class MambaActivation:
    """Implements `headrace.interface.Activation`: says how mamba stands, and edits nothing."""

    tool = "mamba"
    programs = ("mamba", "micromamba")

    def present(self, place: Place) -> bool:
        """Whether one of the programs is there, or a folder that it configured."""
        folders = [folder / "mamba" for folder in config_folders(place)]
        return any(presence.program(place, name) for name in self.programs) or any(
            presence.is_folder(folder) for folder in (*folders, place.home / ".mamba")
        )

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the hosts that everybody's channels are on: it is led at these, also on a machine
        without a conda, whose settings would name them.
        """
        del read
        from headrace_conda.channels import configured  # noqa: PLC0415 - reads the catalogue

        return configured.known_origins() if self.present(place) else ()

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Nothing is edited."""
        del place, gateway, origins, read
        return ()

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Say whether the tool is there."""
        del gateway, read
        return Standing.NOT_ROUTED if self.present(place) else Standing.NOT_FOUND

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Say why it goes past the gateway."""
        del gateway, read
        if not self.present(place):
            return ()
        what = "a mirror would be recorded in conda-meta and in `list --explicit`"
        hint = "`headrace run -- micromamba …` or `headrace on --shell` leads it without a trace"
        return [Override(self.tool, "mirrored_channels", what, hint, wins=False)]

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Nothing of ours is in any file."""
        del path, before, after
        return now

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Nothing is set."""
        del place, gateway, origins, read, scratch
        return {}, ()
