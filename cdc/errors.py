"""The errors of `cdc`. The name of an error says how it is handled.

A message states the problem, the value that was found, and the remedy. The errors of a service are
converted to these errors in the module that calls the service: `cdc/mongo/client.py`,
`cdc/kafka/publisher.py` and `cdc/runtime/database.py`. The loop in `cdc/runtime/loop.py` retries
after Retryable, and after no other error. Separately, `through_locks` in `cdc/capture/resend.py`
repeats a transaction after Django's OperationalError, such as a deadlock.
"""


class CdcError(Exception):
    """The base class of all errors of `cdc`."""


class Misconfigured(CdcError):
    """A setting is invalid: correct the setting and restart. Commands exit with code 2."""


class Refused(CdcError):
    """A change cannot be published or is not allowed, so its transaction must not commit."""


class Rejected(CdcError):
    """A message or an outbox row can never be applied: it becomes a dead letter."""


class Retryable(CdcError):
    """A service is unavailable or refuses a request temporarily: the same work is retried."""


class Unreachable(Retryable):
    """A service cannot be reached: a smaller piece of work would not help."""


class TooLarge(Retryable):
    """A request is too large for a service: a smaller one may succeed."""


class Fenced(Retryable):
    """Another consumer has taken over the partition: discard the batch and claim the partition."""


class Fatal(CdcError):
    """The process cannot continue: it exits, and its supervisor restarts it."""
