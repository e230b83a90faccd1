"""The list of stories: filters, search, topics and pages."""
