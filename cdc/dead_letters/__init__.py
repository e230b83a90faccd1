"""Messages that cannot be applied: stored, inspected, and replayed or discarded."""
