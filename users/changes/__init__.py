"""Which fields of a row a save writes."""
