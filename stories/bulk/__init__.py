"""Changes and deletions of many stories."""
