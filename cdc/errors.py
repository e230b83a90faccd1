"""The errors of `cdc`. The name of an error shows how it is handled.

A message states the problem, the value that was found, and the remedy. The module that calls a
service converts the service's errors to these errors. The daemons' loop in `cdc/runtime/loop.py`
retries only after Retryable. Separately, `through_locks` in `cdc/capture/resend.py` repeats a
transaction after Django's OperationalError, such as a deadlock.
"""


class CdcError(Exception):
    """The base class of all errors of `cdc`."""


class Misconfigured(CdcError):
    """A setting, a declaration or an argument is invalid. Commands exit with code 2."""


class Refused(CdcError):
    """An action is not allowed, or a change cannot be published: do not commit the transaction."""


class Rejected(CdcError):
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
