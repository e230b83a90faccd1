"""URLs of the operations pages."""

from django.urls import URLPattern, path

from project.operations import dead_letters as letters
from project.operations import decisions, jobs, operator_log, pause, pipeline

urlpatterns: list[URLPattern] = [
    path("", pipeline.PipelineView.as_view(), name="operations"),
    path("state/", pipeline.PipelineLiveView.as_view(), name="operations_state"),
    path("verdict/", pipeline.VerdictView.as_view(), name="operations_verdict"),
    path("pause/", pause.PauseView.as_view(), name="pause"),
    path("resume/", pause.ResumeView.as_view(), name="resume"),
    path("jobs/", jobs.JobListView.as_view(), name="jobs"),
    path("jobs/snapshot/", jobs.CountView.as_view(), name="snapshot"),
    path("jobs/reconcile/", jobs.ReconcileView.as_view(), name="reconcile"),
    path("jobs/repair/", jobs.RepairView.as_view(), name="repair"),
    path("jobs/<int:pk>/", jobs.JobView.as_view(), name="job"),
    path("jobs/<int:pk>/start/", jobs.StartView.as_view(), name="job_start"),
    path("jobs/<int:pk>/cancel/", jobs.CancelView.as_view(), name="job_cancel"),
    path("dead_letters/", letters.DeadLetterListView.as_view(), name="dead_letters"),
    path(
        "dead_letters/replay/",
        decisions.BulkReplayView.as_view(),
        name="dead_letters_replay",
    ),
    path(
        "dead_letters/discard/",
        decisions.BulkDiscardView.as_view(),
        name="dead_letters_discard",
    ),
    path("dead_letters/<int:pk>/", letters.DeadLetterView.as_view(), name="dead_letter"),
    path(
        "dead_letters/<int:pk>/replay/",
        decisions.ReplayView.as_view(),
        name="dead_letter_replay",
    ),
    path(
        "dead_letters/<int:pk>/discard/",
        decisions.DiscardView.as_view(),
        name="dead_letter_discard",
    ),
    path("log/", operator_log.OperatorLogView.as_view(), name="operator_log"),
]
