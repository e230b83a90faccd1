"""`manage.py dead_letters`, without MongoDB."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from cdc.models import DeadLetter, OperatorAction, OutboxRecord
from stories.models import Story
from tests.support.feed_settings import without_servers
from tests.support.letters import letter, letter_about

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_replica(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "200")
    with override_settings(CDC=without_servers()):
        yield


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("dead_letters", *arguments)
    return capsys.readouterr().out


def failure(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command("dead_letters", *arguments)
    return caught.value


def test_list_shows_the_waiting_letters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list") == "No dead letters waiting.\n"
    first, second = letter(reason="[red]\x1b[31mnot JSON"), letter(reason="other")
    call_command("dead_letters", "discard", str(second.pk))
    capsys.readouterr()

    table = run(capsys, "list")
    assert "story-events 3:0" in table
    assert r"[red]\x1b[31mnot JSON" in table
    assert "other" not in table
    assert "other" in run(capsys, "list", "--all")
    (found,) = json.loads(run(capsys, "list", "--json"))
    assert (found["id"], found["status"], found["key"]) == (first.pk, "waiting", '{"id":1}')


def test_show_has_message_and_row_while_mongodb_is_down(
    capsys: pytest.CaptureFixture[str],
) -> None:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    about = letter_about(story.pk)

    page = run(capsys, "show", str(about.pk))

    assert "as the message has it" in page
    assert "as it is" in page
    assert "The replica could not be read. MONGODB_URI is not set" in " ".join(page.split())
    found: dict[str, Any] = json.loads(run(capsys, "show", str(about.pk), "--json"))
    title = next(line for line in found["lines"] if line["column"] == "title")
    assert (title["message"], title["source"]) == ("as the message has it", "as it is")
    assert title["replica"] == "unknown"


def test_show_escapes_what_is_not_printable(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = letter(value=b"\x1b]0;owned\x07[bold]\xe2\x80\xae" + b"x" * 100_000)

    page = run(capsys, "show", str(nasty.pk))

    assert "\x1b" not in page
    assert "\u202e" not in page
    assert r"\x1b]0;owned\x07[bold]\u202e" in page
    assert len(page) < 20_000


def test_replay_and_discard_log_the_operator(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    OutboxRecord.objects.all().delete()
    about, other = letter_about(story.pk), letter()

    assert run(capsys, "replay", str(about.pk), "--why", "fixed") == "1 replayed.\n"
    assert run(capsys, "discard", "--waiting", "--why", "noise") == "1 discarded.\n"

    actions = OperatorAction.objects.order_by("id")
    assert [(action.what, action.why) for action in actions] == [
        ("replay", "fixed"),
        ("discard", "noise"),
    ]
    assert all(action.who.startswith("os:") for action in actions)
    assert OutboxRecord.objects.get().user.startswith("os:")
    assert set(DeadLetter.objects.values_list("status", flat=True)) == {"replayed", "discarded"}
    assert other.pk


def test_a_refused_decision_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    stray, good = letter(key=b"?"), letter()

    error = failure("replay", str(stray.pk), str(good.pk))

    assert error.returncode == 1
    assert str(error).startswith(
        f"Dead letter {stray.pk} was not replayed. The key of the message does not identify a row"
    )
    assert "1 replayed" in capsys.readouterr().out
    assert "No dead letter has the ID 999" in str(failure("show", "999"))


@pytest.mark.parametrize("arguments", [["replay"], ["discard"], ["replay", "1", "--waiting"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    error = failure(*arguments)

    assert error.returncode == 2
    assert "Pass the IDs of the dead letters" in str(error)
