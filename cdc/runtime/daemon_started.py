"""The signal that a daemon sends to the project when it starts."""

from django.dispatch import Signal

daemon_started = Signal()
"""Sent once by each daemon before it starts work.

`sender` is the daemon's name (relay, consumer or jobs), `counters` its `Counters`. A receiver that
raises Misconfigured stops the daemon. It must not block.
"""
