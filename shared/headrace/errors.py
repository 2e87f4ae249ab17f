"""One tree of errors. The class says whose fault it is; the text says what to do next.

Nothing is imported from headrace but the words for faults, so any room may raise these.
"""

from __future__ import annotations

from typing import Self

from headrace.models import Fault, Response

__all__ = [
    "ClientError",
    "ConfigurationError",
    "ConflictError",
    "HeadraceError",
    "IntegrityError",
    "LocalError",
    "OriginError",
    "OtherLengthError",
    "SettingsError",
    "StoreError",
    "TransferError",
    "UnfitError",
    "UpstreamError",
    "UsageError",
]


class HeadraceError(Exception):
    """Base of all errors that headrace raises on purpose.

    `reference` is a stable kebab-case word for documentation and tests, `message` one sentence on
    what happened, `hint` one sentence on what to do next.
    """

    fault_of = "headrace"

    def __init__(self, reference: str, message: str, *, hint: str = "", fault_of: str = "") -> None:
        """Keep the parts; `str()` puts them together. `fault_of` where the class does not tell."""
        super().__init__(message)
        self.reference = reference
        self.message = message
        self.hint = hint
        self.fault_of = fault_of or type(self).fault_of

    def table(self) -> dict[str, str]:
        """Return the parts as plain values."""
        return {
            "reference": self.reference,
            "message": self.message,
            "fault_of": self.fault_of,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        """Message, then the hint in parentheses."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ClientError(HeadraceError):
    """The client asked for something that makes no sense. Its fault."""

    fault_of = "client"


class UsageError(HeadraceError):
    """The command line, or a variable, says what makes no sense."""

    fault_of = "this command line"


class UnfitError(UsageError):
    """The command line makes sense, and does not fit what is here: it names what is not there, or
    what is taken. It failed, and its usage was right.
    """


class LocalError(HeadraceError):
    """This machine stood in the way: disk, permissions, a port."""

    fault_of = "this machine"


class StoreError(LocalError):
    """The content store cannot take or give bytes. Never reaches a client: the bytes flow on."""


class ConfigurationError(LocalError):
    """A tool's configuration file cannot be understood, or not be used as it is."""

    fault_of = "a configuration file"


class SettingsError(ConfigurationError):
    """One of headrace's own settings is wrong."""

    fault_of = "your settings"
    key = ""
    """Which one; empty: not one alone."""
    entry = ""
    """Which of several tables of that name, by its id."""


class ConflictError(LocalError):
    """A file was changed after headrace wrote it; undoing would lose that change."""

    fault_of = "whoever changed that file"


class UpstreamError(HeadraceError):
    """An upstream failed in one of the known ways."""

    fault_of = "upstream"

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str = "",
        url: str = "",
        response: Response | None = None,
        begun: bool = False,
    ) -> None:
        """`retry_after` is in seconds from now; `url` is whose answer it was, after redirects.

        `response` is what its client would see of the answer without us, `begun` that the
        connection failed behind the head of a good one.
        """
        super().__init__(fault.value, message, hint=hint)
        self.fault = fault
        self.status = status
        self.retry_after = retry_after
        self.url = url
        self.response = response
        self.begun = begun

    def anew(self) -> Self:
        """Say it again: an exception that was raised holds all that was going on at that time."""
        return type(self)(
            self.fault,
            self.message,
            status=self.status,
            retry_after=self.retry_after,
            hint=self.hint,
            url=self.url,
            response=self.response,
            begun=self.begun,
        )


class OriginError(UpstreamError):
    """The authority itself failed, so there is nobody left to ask."""

    fault_of = "the origin"


class TransferError(HeadraceError):
    """No source was left that could finish an artifact."""

    fault_of = "every source"


class OtherLengthError(TransferError):
    """The file has another length than its readers were told; whoever is told of it asks again."""

    def __init__(self, name: str) -> None:
        """Say which file it is."""
        super().__init__("other-length", f"{name}: a source told a wrong length", hint="ask again")


class IntegrityError(TransferError):
    """Even the origin's bytes do not have the origin's digest."""

    fault_of = "the origin"
