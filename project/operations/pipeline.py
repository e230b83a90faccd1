"""The Pipeline page: the live status, refreshed every two seconds."""

from typing import Any

from django.views.generic import TemplateView

from project.operations.access import ReadersMixin, may_act
from project.operations.feed_health import feed_health
from project.operations.rates import read_rates, read_stage_charts
from project.operations.stages import StageRenderer, database_name
from project.operations.verdicts import verdict_of
from project.pages import feed_state
from users.models import UserType
from users.roles import audience_of

renderer = StageRenderer()


class PipelineMixin(ReadersMixin, TemplateView):
    """The template context of the Pipeline page and of its live part."""

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        audience = audience_of(self.request.user)
        state = feed_state.feed.state().visible_to(audience)
        status = state.reading.value
        *stages, canary = renderer.stages(status, state.reading.seconds)
        charts = read_stage_charts()
        examination = feed_state.deployment.get()
        return super().get_context_data(
            **context,
            state=state,
            status=status,
            stages=[(stage, charts[stage.name]) for stage in stages],
            canary=canary,
            verdict=verdict_of(state),
            rates=read_rates(),
            may_act=may_act(self.request),
            sees_people=audience.sees_people,
            database=database_name(),
            deployment=examination.value or (),
            examined=examination.value is not None and not examination.problem,
        )


class PipelineView(PipelineMixin):
    """The Pipeline page: the verdict, and each stage with the number of changes queued there."""

    template_name = "operations/pipeline.html"


class PipelineLiveView(PipelineMixin):
    """The part of the Pipeline page that a script refreshes every two seconds."""

    template_name = "operations/_pipeline.html"


class VerdictView(ReadersMixin, TemplateView):
    """The verdict as a part of other pages, such as the live feed."""

    template_name = "operations/_verdict.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        state = feed_state.feed.state().visible_to(audience_of(self.request.user))
        return super().get_context_data(
            **context,
            state=state,
            verdict=verdict_of(state),
            health=feed_health(state),
            may_act=may_act(self.request),
        )


class TechnicalWorkerHome(PipelineView):
    """The Pipeline page, as the home page of Technical Workers."""

    roles = (UserType.TECHNICAL_WORKER,)
