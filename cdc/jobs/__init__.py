"""Long work that pages ask for: the job table, its runner and its daemon."""
