"""Pause and resume the consumers."""

from typing import Any

from cdc.operations import pause_consumers, resume_consumers
from project.operations.confirm import ConfirmView


class PauseView(ConfirmView):
    """Pauses the consumers."""

    title = "Pause the consumers"
    lead = (
        "Within about a second, the consumers stop applying changes to MongoDB. Changes are still "
        "saved and published. They stay in Kafka until the consumers are resumed. A restart does "
        "not end the pause."
    )
    button = "Pause"
    danger = True

    def act(self, form: Any) -> str:
        pause_consumers(form.cleaned_data["why"])
        return "The consumers are paused."


class ResumeView(ConfirmView):
    """Resumes the consumers."""

    title = "Resume the consumers"
    lead = "Within about a second, the consumers continue at the positions where they stopped."
    button = "Resume"

    def act(self, form: Any) -> str:
        resume_consumers(form.cleaned_data["why"])
        return "The consumers have resumed."
