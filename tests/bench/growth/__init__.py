"""Measures how our figures grow with the rate, the consumers, the collections and the stories.

Each curve is a table whose rows are numbers. `tests.bench.charts` draws such tables.
"""
