"""In-memory twins of Kafka and MongoDB, for tests of applications that capture models."""
