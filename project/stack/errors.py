"""The one error of this package."""


class StackError(Exception):
    """A service cannot be installed or started.

    The text is for the person at the terminal: what is wrong, the value met,
    what to do about it.
    """
