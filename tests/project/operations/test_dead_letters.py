"""The pages about dead letters: inspection, and one decision with a reason."""

from collections.abc import Iterator

import pytest
from django.test import Client, override_settings

from cdc.models import DeadLetterStatus, OperatorAction, OutboxRecord
from stories.models import Story
from tests.support.feed_settings import without_servers
from tests.support.letters import letter, letter_about

pytestmark = pytest.mark.django_db(transaction=True)
HOSTILE = "<script>alert(1)</script>\x00\u202e"


@pytest.fixture(autouse=True)
def _without_services() -> Iterator[None]:
    with override_settings(CDC=without_servers()):
        yield


def test_a_letter_is_inspected_and_replayed_once(worker: Client) -> None:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    OutboxRecord.objects.all().delete()
    about = letter_about(story.pk)
    path = f"/operations/dead_letters/{about.pk}/"

    page = worker.get(path).content.decode()
    assert "as the message has it" in page
    assert "as it is" in page
    assert "The replica could not be read." in page
    assert "This field is required" in worker.post(f"{path}replay/", {}).content.decode()
    assert not OutboxRecord.objects.exists()

    page = worker.post(f"{path}replay/", {"why": "wider now"}, follow=True).content.decode()
    assert f"Dead letter {about.pk} was replayed." in page
    assert "Replay…" not in page
    assert OutboxRecord.objects.get().op == "r"
    assert OperatorAction.objects.get().why == "wider now"
    again = worker.post(f"{path}discard/", {"why": "late"}, follow=True).content.decode()
    assert "Nothing was changed." in again
    about.refresh_from_db()
    assert about.status == DeadLetterStatus.REPLAYED


def test_hostile_letters_are_escaped_and_discarded(worker: Client) -> None:
    bad = letter(HOSTILE.encode(), HOSTILE.encode(), HOSTILE)
    listed = worker.get("/operations/dead_letters/").content.decode()
    shown = worker.get(f"/operations/dead_letters/{bad.pk}/").content.decode()
    for page in (listed, shown):
        assert "<script>alert" not in page
        assert "\u202e" not in page
    assert "Replay…" not in shown, "its key names no row"
    worker.post(f"/operations/dead_letters/{bad.pk}/discard/", {"why": "noise"})
    assert (
        "No dead letters need a decision."
        in worker.get("/operations/dead_letters/").content.decode()
    )
    assert f"{bad.pk}:" in worker.get("/operations/dead_letters/?all=1").content.decode()


def test_senior_management_reads_letters_but_cannot_decide(manager: Client) -> None:
    bad = letter()
    page = manager.get(f"/operations/dead_letters/{bad.pk}/").content.decode()
    assert "Discard" not in page
    answer = manager.post(f"/operations/dead_letters/{bad.pk}/discard/", {"why": "x"})
    assert answer.status_code == 403
