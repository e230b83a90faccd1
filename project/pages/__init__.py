"""Home pages and the readings that they show."""
