"""The feed's state, live: a page that renews its middle every two seconds."""

from typing import Any

from django.views.generic import TemplateView

from project.operations.access import ReadersMixin, may_act
from project.operations.picture import Picture
from project.operations.spark import spark
from project.pages import feed_state
from users.models import UserType

picture = Picture()


class StateMixin(ReadersMixin, TemplateView):
    """What both the page and its middle are made from."""

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the feed's state."""
        state, pulse = feed_state.feed.state(), feed_state.pulse.latest.get()
        reading = state.reading
        return super().get_context_data(
            **context,
            state=state,
            status=reading.value,
            parts=picture.parts(reading.value, reading.seconds),
            spark=spark(pulse.value) if pulse.value and not pulse.problem else None,
            may_act=may_act(self.request),
        )


class StatusView(StateMixin):
    """The whole page."""

    template_name = "operations/status.html"


class StateView(StateMixin):
    """Its middle, for the page that is open; without a script the page itself is loaded anew."""

    template_name = "operations/_state.html"


class TechnicalWorkerHome(StatusView):
    """The same page, as a Technical Worker's home."""

    roles = (UserType.TECHNICAL_WORKER,)
