"""Who may have a stream: the checks of a reader's access, and the limits on streams."""
