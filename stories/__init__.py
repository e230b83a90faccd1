"""Stories: the captured model, its pages, its import and its demo data."""
