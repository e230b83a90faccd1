"""Captures the canary, with its own topic and collection, and without history.

This module is internal and not an example. To capture your own models, use `cdc.api`.
"""

from cdc.canary.models import Canary
from cdc.conf import cdc_settings
from cdc.registry import Capture, register

_LONGEST = 242
"""The maximum length of the name without its suffix: Kafka limits a name to 249 characters."""

register(
    Capture(
        model=Canary,
        topic=f"{cdc_settings().topic[:_LONGEST]}-canary",
        collections=(cdc_settings().canary_collection,),
        internal=True,
    )
)
