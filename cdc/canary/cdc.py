"""Captures the canary: a topic and a collection of its own, no history."""

from cdc.canary.models import Canary
from cdc.conf import cdc_settings
from cdc.registry import Capture, register

_LONGEST = 242
"""So that the topic's name stays within Kafka's 249 characters."""

register(
    Capture(
        model=Canary,
        topic=f"{cdc_settings().topic[:_LONGEST]}-canary",
        collections=("storyfeed_canary",),
        internal=True,
    )
)
