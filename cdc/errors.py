"""Errors, named by how they are handled. Texts state problem, value and remedy.

Which error of a service becomes which of these is decided where the service is called:
`cdc/mongo/client.py`, `cdc/kafka/publisher.py` and `cdc/runtime/database.py`. The loop in
`cdc/runtime/loop.py` retries Retryable and nothing else.
"""


class CdcError(Exception):
    """The root of all errors of `cdc`."""


class Misconfigured(CdcError):
    """A setting is wrong: correct it and restart. Commands exit with 2."""


class Refused(CdcError):
    """A change cannot be published, so its transaction must not commit."""


class Rejected(CdcError):
    """A message or row can never be applied: it becomes a dead letter."""


class Retryable(CdcError):
    """A service is unavailable or refuses temporarily: the same work is retried."""


class Unreachable(Retryable):
    """A service cannot be reached: a smaller piece of work would not help."""


class TooLarge(Retryable):
    """A service has no room for a piece of work: a smaller one may pass."""


class Fenced(Retryable):
    """Another consumer owns the partition: discard the batch and take over the partition again."""


class Fatal(CdcError):
    """The process cannot continue: it exits, and its supervisor restarts it."""
