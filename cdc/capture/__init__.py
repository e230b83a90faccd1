"""From a write in Django to rows of the outbox, in the same transaction."""
