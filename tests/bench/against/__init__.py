"""Compares this tree with another revision of this repository, in alternating rounds.

Each turn is a separate process, in which this tree's benchmark measures the writer, the relay and
the consumer of one revision. All turns share the servers.
"""
