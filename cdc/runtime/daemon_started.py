"""The signal that a daemon sends to the project when it starts."""

from django.dispatch import Signal

daemon_started = Signal()
"""Sent once by each daemon before it starts work.

`sender` is the daemon's name (relay, consumer or jobs), and `counters` is the daemon's `Counters`
object. A receiver must not block. If a receiver raises Misconfigured, the daemon stops.
"""
