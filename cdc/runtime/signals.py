"""What the feed tells the application around it."""

from django.dispatch import Signal

daemon_started = Signal()
"""Sent once by each daemon, before it works; `sender` is its name: relay, consumer or jobs.

A receiver may raise Misconfigured: the daemon ends with its sentence. It must not wait.
"""
