"""Messages that cannot be applied: stored, inspected, then replayed or discarded."""
