"""A row of the feed's own that measures how long a change takes."""
