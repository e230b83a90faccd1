"""Long-running work that pages start: the job table, the runner and the kinds of jobs."""
