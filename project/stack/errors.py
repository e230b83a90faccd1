"""The exception of this package."""


class StackError(Exception):
    """A service cannot be installed or started.

    The message is shown to the user. The message states what is wrong, which value was found, and
    what to do.
    """
