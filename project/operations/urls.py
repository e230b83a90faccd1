"""Addresses of the operator's pages."""

from django.urls import URLPattern, path

from project.operations import controls, log, status

urlpatterns: list[URLPattern] = [
    path("", status.StatusView.as_view(), name="operations"),
    path("state/", status.StateView.as_view(), name="operations_state"),
    path("pause/", controls.PauseView.as_view(), name="pause"),
    path("resume/", controls.ResumeView.as_view(), name="resume"),
    path("log/", log.LogView.as_view(), name="operator_log"),
]
