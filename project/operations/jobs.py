"""The pages on which operators request, watch and cancel jobs; `run_jobs` runs the jobs."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import DetailView, ListView

from cdc.api import registry
from cdc.errors import Misconfigured, Refused
from cdc.models import Job, JobState
from cdc.operations import (
    COUNT,
    RECONCILE,
    REPAIR,
    SNAPSHOT,
    Audience,
    cancel_job,
    describe_selection,
    job_kind,
    request_job,
    user_names,
    visible_conditions,
)
from project.operations.access import ReadersMixin, may_act
from project.operations.confirm import ConfirmView, ReasonForm, optional
from users.roles import audience_of

_UNFINISHED = (JobState.WAITING, JobState.RUNNING)
_SILENT_SECONDS = 15.0


_TONES = {
    JobState.WAITING: ("neutral", "clock"),
    JobState.RUNNING: ("info", "play"),
    JobState.DONE: ("good", "circle-check"),
    JobState.FAILED: ("bad", "circle-x"),
    JobState.CANCELLED: ("neutral", "ban"),
}


def job_contexts(jobs: Iterable[Job], audience: Audience) -> list[dict[str, Any]]:
    """Return the values of some jobs for the templates."""
    jobs = list(jobs)
    names = user_names(job.asked_by for job in jobs)
    return [_context(job, audience, names) for job in jobs]


def _context(job: Job, audience: Audience, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a job for the templates.

    Messages, and the result of a job that did not succeed, may quote the values of rows. They are
    left out if the audience may not see people.
    """
    conditions = visible_conditions(json.loads(job.arguments).get("where", []), audience)
    sees_all = audience.sees_people
    running = job.state == JobState.RUNNING
    now = datetime.now(UTC)
    silent = (now - job.heard_at).total_seconds() if job.heard_at else 0.0
    tone, icon = _TONES[JobState(job.state)]
    return {
        "job": job,
        "name": _label(job.kind),
        "conditions": ", ".join(conditions),
        "requested_by": names.get(job.asked_by, job.asked_by),
        "tone": tone,
        "icon": icon,
        "state": "Cancelling"
        if job.cancel and job.state in _UNFINISHED
        else job.state.capitalize(),
        "seconds": _seconds(job, now),
        "percent": min(100 * job.done // job.total, 100) if job.total else None,
        "unfinished": job.state in _UNFINISHED,
        "job_messages": job.said.splitlines()[-10:] if sees_all else (),
        "result": job.result.splitlines() if sees_all or job.state == JobState.DONE else (),
        "silent": round(silent) if running and silent > _SILENT_SECONDS else 0,
        "counted": job.kind == COUNT and job.state == JobState.DONE,
    }


class JobListView(ReadersMixin, ListView[Job]):
    """All jobs, newest first, and links to the pages that start a job."""

    template_name = "operations/jobs.html"
    context_object_name = "jobs"
    queryset = Job.objects.order_by("-id")
    paginate_by = 20

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        rows = job_contexts(found["jobs"], audience_of(self.request.user))
        return {**found, "rows": rows, "may_act": may_act(self.request)}


class JobView(ReadersMixin, DetailView[Job]):
    """The state of one job. The page refreshes the state until the job has ended."""

    model = Job

    def get_template_names(self) -> list[str]:
        live = getattr(self.request, "htmx", False)
        return ["operations/_job.html" if live else "operations/job.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        (shown,) = job_contexts([self.object], audience_of(self.request.user))
        return super().get_context_data(**context, **shown, may_act=may_act(self.request))


class RequestJobView(ConfirmView):
    """Requests a job of one kind."""

    back = "jobs"
    kind = ""

    def arguments(self, form: Any) -> dict[str, Any]:
        return {}

    def target(self, form: Any) -> str:
        """Describe the target of the job for the operator log."""
        return ", ".join(capture.table for capture in registry)

    def act(self, form: Any) -> str:
        why = form.cleaned_data["why"]
        job = request_job(self.kind, self.arguments(form), self.target(form), why)
        self.done_url = reverse("job", args=[job.pk])
        return (
            f"{_label(self.kind)} requested as job {job.pk}. Jobs start in the order in which they "
            "were requested."
        )


class ReconcileView(RequestJobView):
    """Requests a job that compares the database with MongoDB."""

    kind = RECONCILE
    title = "Reconcile"
    lead = (
        "This job compares every row with its documents in MongoDB, while writes continue. It "
        "changes nothing."
    )
    button = "Reconcile"


class RepairView(RequestJobView):
    """Requests a job that compares the database with MongoDB and repairs differences."""

    kind = REPAIR
    title = "Reconcile and repair"
    lead = (
        "This job compares every row with its documents in MongoDB, while writes continue. A row "
        "that differs from one of its documents is resent through the outbox, and all of its "
        "documents are replaced."
    )
    warning = "Documents without a row are removed."
    button = "Reconcile and repair"


class SelectionForm(ReasonForm):
    """Selects the rows that a snapshot sends."""

    model = forms.ChoiceField(label="Model", required=False)
    where = forms.CharField(
        label=optional("Only rows with"),
        required=False,
        max_length=1_000,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "status=popular"}),
        help_text="Enter one field=value per line. A row must match all lines. If you enter "
        "nothing, every row is sent.",
    )
    field_order = ("model", "where", "why")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        labels = [capture.model._meta.label for capture in registry]
        if len(labels) > 1:
            choices = [("", "All models"), *((label, label) for label in labels)]
            self.fields["model"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        else:
            del self.fields["model"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        lines = cleaned.get("where", "").splitlines()
        cleaned["where"] = [line.strip() for line in lines if line.strip()]
        cleaned["model"] = cleaned.get("model") or None
        try:
            describe_selection(cleaned["model"], cleaned["where"])
        except Misconfigured as error:
            problem = str(error).replace("--where", "The condition").replace("--model", "a model")
            raise ValidationError({"where": problem}) from None
        return cleaned


class CountView(RequestJobView):
    """Requests the dry run of a snapshot. A dry run counts changes and sends nothing."""

    kind = COUNT
    form_class = SelectionForm
    title = "Snapshot"
    lead = (
        "A dry run counts what the snapshot would insert, update and remove in each collection. "
        "You see the counts before anything is sent."
    )
    warning = "A snapshot of every row also removes documents without a row."
    button = "Count the changes"

    def arguments(self, form: Any) -> dict[str, Any]:
        return {"model": form.cleaned_data["model"], "where": form.cleaned_data["where"]}

    def target(self, form: Any) -> str:
        return describe_selection(form.cleaned_data["model"], form.cleaned_data["where"])


class StartView(RequestJobView):
    """Requests a snapshot whose dry run has finished."""

    kind = SNAPSHOT
    title = "Start the snapshot"
    template_name = "operations/job_start.html"
    button = "Start the snapshot"
    lead = "The state of every selected row is sent through the outbox while writes continue."

    @cached_property
    def counted(self) -> Job:
        """The finished dry run that the URL names."""
        return get_object_or_404(Job, pk=self.kwargs["pk"], kind=COUNT, state=JobState.DONE)

    def arguments(self, form: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.counted.arguments)
        return found

    def target(self, form: Any) -> str:
        arguments = self.arguments(form)
        return describe_selection(arguments["model"], arguments["where"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**self._counted(), **context)

    def _counted(self) -> dict[str, Any]:
        (counted,) = job_contexts([self.counted], audience_of(self.request.user))
        return counted


class CancelView(ConfirmView):
    """Cancels a job."""

    button = "Cancel the job"
    danger = True
    cancel = "Keep the job"

    @cached_property
    def job(self) -> Job:
        """The job that the URL names."""
        return get_object_or_404(Job, pk=self.kwargs["pk"])

    def back_url(self) -> str:
        return reverse("job", args=[self.job.pk])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        kind = job_kind(self.job.kind)
        texts = {"title": f"Cancel job {self.job.pk}", "lead": kind.on_cancel if kind else ""}
        return {**super().get_context_data(**context), **texts}

    def act(self, form: Any) -> str:
        if self.job.state not in _UNFINISHED:
            raise Refused(f"Job {self.job.pk} has already ended ({self.job.state}).")
        cancel_job(self.job, form.cleaned_data["why"])
        return f"Job {self.job.pk} is being cancelled."


def _label(name: str) -> str:
    kind = job_kind(name)
    return kind.label if kind else name


def _seconds(job: Job, now: datetime) -> float | None:
    """Return how long a job has run so far; None if it has not started."""
    if job.started_at is None:
        return None
    return ((job.finished_at or now) - job.started_at).total_seconds()
