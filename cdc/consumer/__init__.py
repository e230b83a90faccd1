"""The consumer: applies events from Kafka to the replica in batches, each exactly once."""
