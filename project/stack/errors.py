"""The only exception that this package raises."""


class StackError(Exception):
    """A service cannot be installed or started.

    The message is shown to the user: what is wrong, the value found, what to do.
    """
