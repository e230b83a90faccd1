"""The pages on which operators replay or discard many dead letters at once."""

from collections.abc import Iterator

import pytest
from django.test import Client, override_settings

from cdc.models import DeadLetter, DeadLetterStatus, OperatorAction, OutboxRecord
from project.operations import decisions
from stories.models import Story
from tests.project.operations.conftest import client_of
from tests.support.feed_settings import without_servers
from tests.support.letters import letter, letter_about
from users.models import UserType

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/operations/dead_letters/"
REPLAY, DISCARD = f"{LIST}replay/", f"{LIST}discard/"


@pytest.fixture(autouse=True)
def _without_services() -> Iterator[None]:
    with override_settings(CDC=without_servers()):
        yield


@pytest.fixture
def story() -> Story:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    OutboxRecord.objects.all().delete()
    return story


def ids(letters: list[DeadLetter]) -> str:
    return ",".join(str(each.pk) for each in letters)


def states() -> list[str]:
    return list(DeadLetter.objects.order_by("pk").values_list("status", flat=True))


def test_a_replay_of_many_counts_what_was_done(worker: Client, story: Story) -> None:
    about = [letter_about(story.pk) for _ in range(3)]
    nameless = letter(b"no key")
    query = "&".join(f"letter={each.pk}" for each in (*about, nameless))

    asked = worker.get(f"{REPLAY}?{query}").content.decode()
    DeadLetter.objects.filter(pk=about[0].pk).update(status=DeadLetterStatus.DISCARDED)
    answer = {"letters": ids([*about, nameless]), "why": "wider now"}
    done = worker.post(f"{REPLAY}?{query}", answer, follow=True)

    assert "<h1>Replay 4 dead letters</h1>" in asked
    assert 'class="btn btn-primary" type="submit">Replay</button>' in asked
    assert OutboxRecord.objects.count() == 2
    assert states() == ["discarded", "replayed", "replayed", "waiting"]
    assert [each.why for each in OperatorAction.objects.all()] == ["wider now"] * 2
    assert (
        "2 dead letters were replayed. 1 dead letter had already been replayed or discarded. "
        f"1 dead letter could not be replayed. Dead letter {nameless.pk} was not replayed. The key"
    ) in done.content.decode()
    assert "sf-toast-warning" in done.content.decode()
    assert done.redirect_chain == [(LIST, 302)]


def test_everything_that_matches_is_discarded_but_nothing_that_came_later(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "MOST", 2)
    found = [letter(reason="too wide") for _ in range(3)]
    other = letter(reason="op is null")
    newest = found[-1].pk
    late = letter(reason="too wide")
    query = f"newest={newest}&reason=WIDE"

    asked = worker.get(f"{DISCARD}?{query}").content.decode()
    done = worker.post(f"{DISCARD}?{query}", {"letters": ids(found[:2]), "why": "noise"})

    assert "<h1>Discard 2 dead letters</h1>" in asked
    assert 'class="btn btn-danger" type="submit">Discard</button>' in asked
    assert "1 more will remain" in asked
    assert "A change that was not applied stays missing until its row changes again" in asked
    assert f'value="{ids(found[:2])}"' in asked
    assert done.headers["Location"] == f"{LIST}?reason=WIDE"
    assert states() == ["discarded", "discarded", "waiting", "waiting", "waiting"]
    assert {other.pk, late.pk} <= set(
        DeadLetter.objects.filter(status="waiting").values_list("pk", flat=True)
    )
    assert not OutboxRecord.objects.exists()


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
def test_a_decision_needs_a_reason_and_a_selection(worker: Client, path: str) -> None:
    waiting = letter()

    nothing = worker.get(path, follow=True).content.decode()
    silent = worker.post(path, {"letters": str(waiting.pk), "why": ""})
    empty = worker.post(path, {"why": "x"})
    hostile = worker.post(
        path, {"letters": "x,²,-1,,99999999999999999999", "why": "x"}, follow=True
    )

    assert "Select at least one dead letter that waits for a decision." in nothing
    assert "This field is required" in silent.content.decode()
    assert f'value="{waiting.pk}"' in silent.content.decode(), "the selection is kept"
    assert empty.status_code == 200
    assert "0 dead letters were" in hostile.content.decode()
    assert states() == ["waiting"]


@pytest.mark.parametrize(
    "query",
    ["letter=x&letter=²", f"letter={'9' * 400}", f"newest={'9' * 30}", "letter=-1", "newest=%00"],
)
def test_odd_selections_are_empty(worker: Client, query: str) -> None:
    letter()
    assert worker.get(f"{REPLAY}?{query}").status_code == 302


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
def test_only_those_who_may_act_decide_at_each_request(manager: Client, path: str) -> None:
    answer = {"letters": str(letter().pk), "why": "x"}
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client_of(UserType.TECHNICAL_WORKER).cookies

    assert manager.post(path, answer).status_code == 403
    assert Client().post(path, answer).status_code == 302
    assert strict.post(path, answer).status_code == 403
    assert states() == ["waiting"]
