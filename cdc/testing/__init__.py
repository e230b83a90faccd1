"""In-memory twins for tests of applications that use the feed."""
