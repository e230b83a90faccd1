"""Addresses of the operator's pages."""

from django.urls import URLPattern, path

from project.operations import controls, jobs, letters, log, status

urlpatterns: list[URLPattern] = [
    path("", status.StatusView.as_view(), name="operations"),
    path("state/", status.StateView.as_view(), name="operations_state"),
    path("pause/", controls.PauseView.as_view(), name="pause"),
    path("resume/", controls.ResumeView.as_view(), name="resume"),
    path("jobs/", jobs.JobListView.as_view(), name="jobs"),
    path("jobs/snapshot/", jobs.CountView.as_view(), name="snapshot"),
    path("jobs/reconcile/", jobs.ReconcileView.as_view(), name="reconcile"),
    path("jobs/repair/", jobs.RepairView.as_view(), name="repair"),
    path("jobs/<int:pk>/", jobs.JobView.as_view(), name="job"),
    path("jobs/<int:pk>/start/", jobs.StartView.as_view(), name="job_start"),
    path("jobs/<int:pk>/cancel/", jobs.CancelView.as_view(), name="job_cancel"),
    path("dead_letters/", letters.LetterListView.as_view(), name="dead_letters"),
    path("dead_letters/<int:pk>/", letters.LetterView.as_view(), name="dead_letter"),
    path("dead_letters/<int:pk>/replay/", letters.ReplayView.as_view(), name="dead_letter_replay"),
    path(
        "dead_letters/<int:pk>/discard/", letters.DiscardView.as_view(), name="dead_letter_discard"
    ),
    path("log/", log.LogView.as_view(), name="operator_log"),
]
