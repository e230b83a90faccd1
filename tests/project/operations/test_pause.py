"""The pages that pause and resume the consumers."""

import pytest
from django.conf import settings
from django.test import Client

from cdc.models import ConsumerPause, OperatorAction

pytestmark = pytest.mark.django_db


def test_a_technical_worker_pauses_and_resumes(worker: Client) -> None:
    assert "Pause the consumers" in worker.get("/operations/pause/").content.decode()
    assert not ConsumerPause.objects.exists(), "a GET changes nothing"

    page = worker.post("/operations/pause/", {"why": "<b>an index</b>"}, follow=True)
    assert "The consumers are paused." in page.content.decode()
    assert ConsumerPause.objects.get().group == settings.CDC.group
    page = worker.post("/operations/pause/", {}, follow=True)
    assert "Nothing was changed. The consumers are already paused." in page.content.decode()
    worker.post("/operations/resume/", {})
    assert not ConsumerPause.objects.exists()

    log = worker.get("/operations/log/").content.decode()
    assert "&lt;b&gt;an index&lt;/b&gt;" in log
    assert "technical_worker@people.example" in log
    assert OperatorAction.objects.count() == 2


def test_a_red_button_leads_to_a_red_button(worker: Client) -> None:
    for action, name in (("pause", "danger"), ("resume", "primary")):
        page = worker.get(f"/operations/{action}/").content.decode()
        assert f'class="btn btn-{name}" type="submit">{action.capitalize()}</button>' in page


def test_senior_management_cannot_pause(manager: Client) -> None:
    assert manager.post("/operations/pause/", {}).status_code == 403
    assert not ConsumerPause.objects.exists()
