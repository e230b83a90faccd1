"""Reports about the documents of a period, for dashboards, and the indexes that they need."""
