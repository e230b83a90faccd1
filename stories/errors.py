"""What can be wrong with stories from outside."""


class BadRow(Exception):
    """One row cannot become a story; the text is a sentence for whoever owns the file."""
