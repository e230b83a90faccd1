"""No other page shows Senior Management what the live feed hides from them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission
from django.test import Client, override_settings

from cdc.audience import HIDDEN
from cdc.jobs.kinds import SNAPSHOT
from cdc.models import DeadLetter, Job, JobState, OperatorAction, OutboxRecord
from cdc.operator_log import log_action
from cdc.status.facts import Trouble
from project.pages import feed_state
from stories.models import Story
from tests.support.builders import change, outgoing
from tests.support.feed_settings import without_servers
from tests.support.latest import patient
from tests.support.letters import letter
from tests.support.status import healthy_status
from users.models import User, UserType

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SECRET = "pat@people.example"


@pytest.fixture(autouse=True)
def _without_services() -> Iterator[None]:
    with override_settings(CDC=without_servers()):
        yield


@pytest.fixture
def story() -> Story:
    return Story.objects.create(title="as it is", href="http://e.org/", user={"name": SECRET})


def event_of(story: Story, **columns: Any) -> DeadLetter:
    """Store a dead letter with a well-formed event that has the secret in personal fields."""
    event = change("u", story.pk, 5, title="as the message has it")
    row = {**(event.after or {}), "user": {"name": SECRET}, **columns}
    sent = outgoing(replace(event, before=row, after=row, user=SECRET), "story-events")
    return letter(sent.key, sent.value, f"Column user contains '{SECRET}', not text.")


def malformed(story: Story) -> list[DeadLetter]:
    """Store dead letters whose messages are no events, with the secret in several places."""
    values = (
        {"after": {"title": SECRET}, "source": {"table": "stories_story"}},
        {"op": SECRET, "source": {"table": SECRET}},
        [SECRET],
    )
    key = orjson.dumps({"id": story.pk})
    letters = [letter(key, orjson.dumps(value), f"op is '{SECRET}'") for value in values]
    letters.append(letter(orjson.dumps({"id": SECRET}), b"{}", f"The key is {SECRET}"))
    letters.append(letter(SECRET.encode(), SECRET.encode(), f"not JSON: {SECRET}"))
    return letters


def job() -> Job:
    arguments = orjson.dumps({"model": "stories.Story", "where": [f"submitted_by={SECRET}"]})
    said = f"Column user contains '{SECRET}'"
    return Job.objects.create(
        kind=SNAPSHOT,
        arguments=arguments.decode(),
        asked_by="os:test",
        state=JobState.FAILED,
        said=said,
        result=said,
    )


def addresses(story: Story) -> list[str]:
    letters = [event_of(story), *malformed(story)]
    log_action("discard", f"dead letter 1: t 0:1 op is '{SECRET}'", "noise", using="default")
    log_action("snapshot", f"job 1: stories_story with user={SECRET}", "why", using="default")
    pages = [f"/operations/dead_letters/{letter.pk}/" for letter in letters]
    return [
        *pages,
        *("/operations/dead_letters/", "/operations/log/", "/operations/jobs/", "/operations/"),
        *("/operations/state/", "/operations/verdict/"),
        f"/operations/jobs/{job().pk}/",
    ]


def failing() -> Any:
    trouble = Trouble(
        process="consumer a",
        error=f"Duplicate entry '{SECRET}'",
        since=datetime(2026, 1, 2, tzinfo=UTC),
        attempts=3,
    )
    return healthy_status(troubles=(trouble,))


def test_senior_management_sees_no_personal_data_on_any_page(
    worker: Client, manager: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(failing))
    for address in addresses(story):
        shown, hidden = worker.get(address), manager.get(address)
        assert shown.status_code == hidden.status_code == 200, address
        assert SECRET in shown.content.decode(), address
        assert SECRET not in hidden.content.decode(), address
        assert SECRET not in str(dict(hidden.headers)), address


def test_a_short_error_changes_no_other_word_of_the_verdict(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(
        process="consumer a", error="a", since=datetime(2026, 1, 2, tzinfo=UTC), attempts=3
    )
    status = healthy_status(troubles=(trouble,))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: status))
    page = manager.get("/operations/verdict/").content.decode()
    assert "Consumer a has been failing for" in page
    assert page.count(HIDDEN) == 1


def test_senior_management_compares_the_other_columns(manager: Client, story: Story) -> None:
    page = manager.get(f"/operations/dead_letters/{event_of(story).pk}/").content.decode()

    assert "as the message has it" in page
    assert "as it is" in page
    assert HIDDEN in page
    assert "MONGODB_URI" not in page, "the reason why the replica is unknown"


def test_the_trace_names_no_hosts_to_senior_management(
    worker: Client, manager: Client, story: Story
) -> None:
    address = f"/stories/{story.pk}/way/"

    assert "is unknown: MONGODB_URI is not set" in worker.get(address).content.decode()
    assert "The state of the replica is unknown.</p>" in manager.get(address).content.decode()


def test_a_decision_logs_no_reason_of_the_message(worker: Client, story: Story) -> None:
    about = event_of(story)

    worker.post(f"/operations/dead_letters/{about.pk}/discard/", {"why": "noise"})

    assert SECRET not in OperatorAction.objects.get().target


def staff(user_type: UserType) -> Client:
    """Return a client of a member of staff who has every permission."""
    user = User.objects.create_user(
        f"{user_type}-staff@people.example", "x", name="S", is_staff=True, user_type=user_type
    )
    user.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(user)
    return client


ADMIN = ("/admin/cdc/deadletter/", "/admin/cdc/operatoraction/", "/admin/cdc/outboxrecord/")


def test_the_admin_applies_the_same_rule(story: Story) -> None:
    letters = [event_of(story), *malformed(story)]
    log_action("snapshot", f"job 1: stories_story with user={SECRET}", "why", using="default")
    row = OutboxRecord.objects.get()
    OutboxRecord.objects.update(user=SECRET)
    pages = [*ADMIN, f"{ADMIN[2]}{row.pk}/change/"]
    pages += [f"{ADMIN[0]}{letter.pk}/change/" for letter in letters]
    clients = [staff(role) for role in UserType]
    for address in pages:
        customer, worker, manager = (client.get(address).content.decode() for client in clients)
        assert SECRET in worker, address
        assert SECRET not in customer, address
        assert SECRET not in manager, address


@pytest.mark.parametrize(
    "query",
    ["?reason__contains=pat", "?key_text__contains=pat", "?table=pat", "?why__startswith=p"],
)
def test_a_filter_in_the_url_reveals_nothing(story: Story, query: str) -> None:
    event_of(story)
    client = staff(UserType.SENIOR_MANAGEMENT)

    assert client.get(f"{ADMIN[0]}{query}").status_code == 400
    found = client.get(f"{ADMIN[0]}?q={SECRET}").content.decode()
    assert "0 dead letters" in found
    assert client.get(f"{ADMIN[0]}?status=waiting").status_code == 200


def test_a_confirmation_and_a_refusal_quote_nothing(story: Story) -> None:
    client = staff(UserType.SENIOR_MANAGEMENT)
    letters = [event_of(story), *malformed(story)]
    data = {"action": "replay_selected", "_selected_action": [each.pk for each in letters]}

    asked = client.post(ADMIN[0], data).content.decode()
    done = client.post(ADMIN[0], {**data, "confirmed": "yes", "why": "x"}, follow=True)

    assert "Replay 6 dead letters" in asked
    assert f"was not replayed. {HIDDEN}" in done.content.decode()
    assert SECRET not in asked + done.content.decode()
