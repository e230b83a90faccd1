"""Pause and resume the consumers."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from cdc.conf import cdc_settings
from cdc.errors import Refused
from cdc.operations import pause, resume
from project.operations.confirm import ConfirmView


class PauseView(ConfirmView):
    """Lets the consumers hold still."""

    title = "Pause the consumers"
    lead = (
        "Within about a second nothing is applied to MongoDB any more. Changes go on being saved "
        "and published; they wait in Kafka until the consumers are resumed here. The pause "
        "outlives restarts."
    )
    button = "Pause"

    def act(self, form: Any) -> str:
        """Pause."""
        if not pause(cdc_settings().group, form.cleaned_data["why"], using=DEFAULT_DB_ALIAS):
            raise Refused("The consumers are paused already.")
        return "The consumers are paused."


class ResumeView(ConfirmView):
    """Lets the consumers go on."""

    title = "Resume the consumers"
    lead = "Within about a second the consumers apply what waits, from where they stopped."
    button = "Resume"

    def act(self, form: Any) -> str:
        """Resume."""
        if not resume(cdc_settings().group, form.cleaned_data["why"], using=DEFAULT_DB_ALIAS):
            raise Refused("The consumers are not paused.")
        return "The consumers go on."
