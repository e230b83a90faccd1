"""The operations pages: the pipeline's status, jobs, dead letters and the operator log."""
