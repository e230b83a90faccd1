"""The home pages and the data that they show."""
