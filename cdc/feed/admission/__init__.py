"""Who may open a stream: checks of a reader's access, and limits on streams."""
