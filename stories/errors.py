"""What can be wrong with stories from outside."""


class BadRow(Exception):  # noqa: N818 -- it is a row, and the importer goes on
    """One row cannot become a story; the text is a sentence for whoever owns the file."""
