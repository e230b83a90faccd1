"""Change data capture: outbox, relay, exact apply and live feed."""

__version__ = "0.1.0"
