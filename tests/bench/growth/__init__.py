"""Measures how our results change with the rate, and with more consumers, collections or stories.

Each curve is a table whose rows have numbers as labels. `tests.bench.charts` draws such tables.
"""
