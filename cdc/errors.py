"""The errors of `cdc`. The name of an error shows how it is handled.

A message states the problem, the value that was found, and the remedy. The module that calls a
service converts the service's errors to these errors. The daemons' loop in `cdc/runtime/retry.py`
retries only after Retryable. Separately, `through_locks` in `cdc/capture/resend.py` repeats a
transaction after Django's OperationalError, such as a deadlock.
"""

from typing import Self


class CdcError(Exception):
    """The base class of all errors of `cdc`."""


class Misconfigured(CdcError):
    """A setting, a declaration or an argument is invalid. Commands exit with code 2."""


class Quoting(CdcError):
    """An error whose message may quote values of a row, so that a person can correct them."""

    def __init__(self, message: str, without_values: str = "") -> None:
        super().__init__(message)
        self.without_values = without_values or message
        """The message without values, for logs and traces."""

    def at(self, place: str, without_values: str = "") -> Self:
        """Return this error with a place before the message."""
        safe = without_values or place
        return type(self)(f"{place} {self}", f"{safe} {self.without_values}")


class Refused(Quoting):
    """An action is not allowed, or a change cannot be published: do not commit the transaction."""


class Rejected(Quoting):
    """Untrusted input, such as a message, is invalid. Such a message becomes a dead letter."""


class Retryable(CdcError):
    """A service is unavailable, or refuses a request temporarily: retry the same work."""


class Unreachable(Retryable):
    """A service cannot be reached: retry the same work; splitting the work would not help."""


class TooLarge(Retryable):
    """A request is too large for a service: a smaller request may succeed."""


class Fenced(Retryable):
    """Another consumer took over a partition, or the partition's position was moved.

    Discard the batch, and take the partition over again.
    """


class Fatal(CdcError):
    """The process cannot continue. The process exits, and its supervisor restarts it."""
