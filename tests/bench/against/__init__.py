"""Compares this tree with another revision of this repository, in alternating rounds.

Each turn is a process of its own, which runs the code of one revision for the writer, the relay and
the consumer alike, with this tree's benchmark. All turns share the servers.
"""
