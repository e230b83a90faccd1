"""The operator's pages: the feed's state, what can be done about it, and who did."""
