"""The outbox table, and the relay that publishes its rows to Kafka."""
