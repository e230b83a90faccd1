"""Draws the curves in a file of results as SVG: `python -m tests.bench.charts FILE`."""
