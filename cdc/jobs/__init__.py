"""Long-running work: the job table, the runner and the kinds of jobs."""
