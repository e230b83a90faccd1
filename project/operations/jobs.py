"""Long work: counted, started, watched and cancelled on pages, done by `run_jobs`."""

import json
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import DetailView, ListView

from cdc.api import registry
from cdc.errors import Misconfigured, Refused
from cdc.models import Job, JobState
from cdc.operations import COUNT, RECONCILE, REPAIR, SNAPSHOT, Jobs, people, selections
from project.operations.access import ReadersMixin, may_act
from project.operations.confirm import ConfirmView, ReasonForm

_NAMES = {
    COUNT: "Dry run of a snapshot",
    SNAPSHOT: "Snapshot",
    RECONCILE: "Reconciliation",
    REPAIR: "Reconciliation with repair",
}
_SILENT_SECONDS = 15.0


def shown(job: Job) -> dict[str, Any]:
    """Return a job as a page shows it."""
    where = json.loads(job.arguments).get("where", [])
    running = job.state == JobState.RUNNING
    silent = (datetime.now(UTC) - job.heard_at).total_seconds() if job.heard_at else 0.0
    return {
        "job": job,
        "name": _NAMES.get(job.kind, job.kind),
        "where": ", ".join(where),
        "who": people({job.asked_by}).get(job.asked_by, job.asked_by),
        "unfinished": job.state in {JobState.WAITING, JobState.RUNNING},
        "said": job.said.splitlines()[-10:],
        "result": job.result.splitlines(),
        "silent": round(silent) if running and silent > _SILENT_SECONDS else 0,
        "counted": job.kind == COUNT and job.state == JobState.DONE,
    }


class JobListView(ReadersMixin, ListView[Job]):
    """All jobs, the newest first."""

    template_name = "operations/jobs.html"
    context_object_name = "jobs"
    queryset = Job.objects.order_by("-id")
    paginate_by = 20

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add who may start one."""
        found = super().get_context_data(**context)
        rows = [shown(job) for job in found["jobs"]]
        return {**found, "rows": rows, "may_act": may_act(self.request)}


class JobView(ReadersMixin, DetailView[Job]):
    """One job; its middle renews itself while it is not finished."""

    model = Job
    template_name = "operations/job.html"

    def get_template_names(self) -> list[str]:
        """Return the page, or its middle for a page that is open."""
        return [
            "operations/_job.html"
            if getattr(self.request, "htmx", False)
            else "operations/job.html"
        ]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the job's words."""
        words = shown(self.object)
        return super().get_context_data(**context, **words, may_act=may_act(self.request))


class AskView(ConfirmView):
    """Asks for a job."""

    back = "jobs"
    kind = ""

    def arguments(self, form: Any) -> dict[str, Any]:
        """Return what the job is given."""
        return {}

    def target(self, form: Any) -> str:
        """Return what it is done to, for the log."""
        return ", ".join(capture.table for capture in registry)

    def act(self, form: Any) -> str:
        """Add the job."""
        why = form.cleaned_data["why"]
        jobs = Jobs(DEFAULT_DB_ALIAS)
        job = jobs.ask(self.kind, self.arguments(form), self.target(form), why)
        self.done_url = reverse("job", args=[job.pk])
        return f"{_NAMES[self.kind]}: job {job.pk} begins as soon as `run_jobs` is free."


class ReconcileView(AskView):
    """Compares both ends."""

    kind = RECONCILE
    title = "Reconcile"
    lead = "Every row is compared with its documents, while writes go on. Nothing is changed."
    button = "Compare"


class RepairView(AskView):
    """Compares both ends and repairs."""

    kind = REPAIR
    title = "Reconcile and repair"
    lead = (
        "Every row is compared with its documents, and what differs is sent again through the "
        "outbox, in all collections."
    )
    button = "Compare and repair"


class SelectionForm(ReasonForm):
    """Which rows a snapshot sends."""

    model = forms.ChoiceField(label="Model", required=False)
    where = forms.CharField(
        label="Only rows with",
        required=False,
        max_length=1_000,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "status=popular"}),
        help_text="One field=value a line; all must be met. Empty: every row, and documents whose "
        "row is gone are removed.",
    )
    field_order = ("model", "where", "why")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        labels = [capture.model._meta.label for capture in registry]
        if len(labels) > 1:
            every = [("", "All of them"), *((label, label) for label in labels)]
            self.fields["model"].choices = every  # type: ignore[attr-defined]  # a ChoiceField
        else:
            del self.fields["model"]

    def clean(self) -> dict[str, Any]:
        """Refuse what names no field or value of the model."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        lines = cleaned.get("where", "").splitlines()
        cleaned["where"] = [line.strip() for line in lines if line.strip()]
        cleaned["model"] = cleaned.get("model") or None
        try:
            selected(cleaned["model"], cleaned["where"])
        except Misconfigured as error:
            raise ValidationError({"where": str(error).replace("--where", "It")}) from None
        return cleaned


def selected(model: str | None, where: list[str]) -> str:
    """Return in words which rows are meant; raises Misconfigured."""
    return ", ".join(map(str, selections(model, where)))


class CountView(AskView):
    """The first half of a snapshot: what it would do."""

    kind = COUNT
    form_class = SelectionForm
    title = "Snapshot"
    lead = (
        "First it is counted what the snapshot would insert, update and remove in each "
        "collection. You see the counts before anything is sent."
    )
    button = "Count"

    def arguments(self, form: Any) -> dict[str, Any]:
        """Return which rows are meant."""
        return {"model": form.cleaned_data["model"], "where": form.cleaned_data["where"]}

    def target(self, form: Any) -> str:
        """Return the same as words."""
        return selected(**self.arguments(form))


class StartView(AskView):
    """The second half: does what was counted."""

    kind = SNAPSHOT
    title = "Start the snapshot"
    template_name = "operations/job_start.html"
    button = "Send"
    lead = "Every row that is meant is sent through the outbox as it is now, while writes go on."

    @cached_property
    def counted(self) -> Job:
        """The dry run."""
        return get_object_or_404(Job, pk=self.kwargs["pk"], kind=COUNT, state=JobState.DONE)

    def arguments(self, form: Any) -> dict[str, Any]:
        """Return which rows are meant."""
        found: dict[str, Any] = json.loads(self.counted.arguments)
        return found

    def target(self, form: Any) -> str:
        """Return the same as words."""
        return selected(**self.arguments(form))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the counts."""
        return super().get_context_data(**shown(self.counted), **context)


class CancelView(ConfirmView):
    """Ends a job."""

    lead = (
        "It ends after the rows that it is at. What it has sent stays sent, and does no harm: "
        "each event carries its row as it was then."
    )
    button = "Cancel the job"

    @cached_property
    def job(self) -> Job:
        """The job."""
        return get_object_or_404(Job, pk=self.kwargs["pk"])

    def back_url(self) -> str:
        """Return the job's page."""
        return reverse("job", args=[self.job.pk])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Name the job."""
        return {**super().get_context_data(**context), "title": f"Cancel job {self.job.pk}"}

    def act(self, form: Any) -> str:
        """Cancel it."""
        if self.job.state not in {JobState.WAITING, JobState.RUNNING}:
            raise Refused(f"Job {self.job.pk} is {self.job.state} already.")
        Jobs(DEFAULT_DB_ALIAS).cancel(self.job, form.cleaned_data["why"])
        return f"Job {self.job.pk} ends."
