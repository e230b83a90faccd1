"""Errors, named by what is to be done about them; a text says what, the value, what to do."""


class CdcError(Exception):
    """The root of every error of the change feed."""


class Misconfigured(CdcError):
    """A setting is wrong: correct it and start again. Commands exit with 2."""


class Refused(CdcError):
    """A change cannot be carried by the feed, so its transaction must not commit."""


class Rejected(CdcError):
    """A message or row that can never be applied: it becomes a dead letter."""


class Retryable(CdcError):
    """A service is away or said no for now: the same work is done again later."""


class Fenced(Retryable):
    """A partition belongs to somebody else now: forget the batch, take the partition over again."""


class Fatal(CdcError):
    """The process cannot go on: it exits and its supervisor starts a new one."""
