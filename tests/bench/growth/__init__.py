"""Measures how our figures grow with the rate, the consumers, the collections and the stories.

Each curve is a table whose rows have numbers as labels. `tests.bench.charts` draws such tables.
"""
