"""The consumer: applies each event from Kafka to the replica exactly once, in batches."""
