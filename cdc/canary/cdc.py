"""Captures the canary, with its own topic and collection, and without history.

This module is internal and not an example. To capture your own models, use `cdc.api`.
"""

from cdc.canary.models import Canary
from cdc.conf import cdc_settings
from cdc.declarations import canary_topic
from cdc.registry import Capture, register

register(
    Capture(
        model=Canary,
        topic=canary_topic(cdc_settings().topic),
        collections=(cdc_settings().canary_collection,),
        internal=True,
    )
)
