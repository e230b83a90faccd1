"""Stories: what people submit and the feed carries."""
