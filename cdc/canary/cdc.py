"""Captures the canary: its own topic and collection, no history.

Internal: not an example for a model of your own, which uses `cdc.api`.
"""

from cdc.canary.models import Canary
from cdc.conf import cdc_settings
from cdc.registry import Capture, register

_LONGEST = 242
"""Leaves room for the suffix in a topic name, at most 249 characters in Kafka."""

register(
    Capture(
        model=Canary,
        topic=f"{cdc_settings().topic[:_LONGEST]}-canary",
        collections=(cdc_settings().canary_collection,),
        internal=True,
    )
)
