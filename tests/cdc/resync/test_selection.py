"""The models and rows that arguments select, and the arguments that are refused."""

from datetime import UTC, datetime

import pytest
from django.db.models import Q

from cdc.errors import Misconfigured
from cdc.registry import registry
from cdc.resync import selection as module
from cdc.resync.selection import Selection, selections
from stories.models import Story
from tests.support.toy.models import Label


def selection(*conditions: str) -> Selection:
    capture = registry.find(Story)
    assert capture is not None
    return Selection(capture=capture, conditions=conditions)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("nope=1", "--where names 'nope', but Story has no such field: use one of comments"),
        ("submitted_by__email=a", "Story has no such field"),
        ("diggs=many", "must be an integer"),
        ("submit_date=yesterday", "invalid format"),
        ("status=famous", "is not a valid choice"),
        ("user=1", "a JSON field"),
        ("diggs", "use field=value"),
    ],
)
def test_a_wrong_condition_is_refused(condition: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message.replace("(", r"\(")):
        selection(condition)


@pytest.mark.django_db
def test_conditions_are_combined_and_an_empty_value_is_null() -> None:
    wanted = Story.objects.create(title="a", href="http://a.example/", diggs=3)
    Story.objects.create(title="a", href="http://a.example/", diggs=4)
    Story.objects.create(title="a", href="http://a.example/", diggs=3, source_id="x")

    found = selection("diggs=3", "title=a", "source_id=", "submitted_by=")

    assert list(Story.objects.filter(found.query)) == [wanted]
    assert not found.complete
    assert str(found) == "stories_story with diggs=3, title=a, source_id=, submitted_by="
    assert selection().complete


def test_every_captured_model_is_selected_unless_one_is_named() -> None:
    everything = [str(selection) for selection in selections(None, [])]
    assert {"stories_story", "toy_label"} <= set(everything)
    (one,) = selections("stories.Story", ["diggs=3", "media=news"])
    assert str(one) == "stories_story with diggs=3, media=news"


@pytest.mark.parametrize(
    ("model", "conditions", "message"),
    [
        ("users.User", [], "--model is 'users.User', which is not captured: use one of "),
        (None, ["diggs=3"], "--where needs --model: several models are captured."),
    ],
)
def test_a_wrong_model_is_refused(model: str | None, conditions: list[str], message: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        selections(model, conditions)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("diggs", "--where 'diggs' contains no equals sign: use field=value."),
        ("user=1", "--where names 'user', a JSON field: name a different field."),
        ("diggs=x", "--where gives diggs the value 'x': “x” value must be an integer."),
    ],
)
def test_the_reason_says_what_to_give(condition: str, text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        selection(condition)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("condition", "query"),
    [
        ("pk=7", Q(id=7)),
        (" diggs =7", Q(diggs=7)),
        ("title=a=b", Q(title="a=b")),
        ("submitted_by=7", Q(submitted_by_id=7)),
        ("submitted_by=", Q(submitted_by__isnull=True)),
        ("source_id=", Q(source_id__isnull=True) | Q(source_id="")),
        ("submit_date=2009-01-02 03:04", Q(submit_date=datetime(2009, 1, 2, 3, 4, tzinfo=UTC))),
    ],
)
def test_a_condition_becomes_a_query(condition: str, query: Q) -> None:
    assert selection(condition).query == Q() & query


def test_one_of_two_captured_models_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [capture for capture in registry if capture.model in {Story, Label}]
    monkeypatch.setattr(module, "registry", two)

    with pytest.raises(Misconfigured, match="--where needs --model"):
        selections(None, ["diggs=3"])
    with pytest.raises(Misconfigured) as refused:
        selections("stories.Nothing", [])
    assert str(refused.value).endswith(f"use one of {two[0].model._meta.label}, toy.Label.")
    monkeypatch.setattr(module, "registry", two[:1])
    (one,) = selections(None, ["diggs=3"])
    assert str(one) == "stories_story with diggs=3"
