"""From the outbox table to the broker: the queue, the lease and the relay."""
