"""A random schedule of faults, drawn from a seed, over a running feed."""
