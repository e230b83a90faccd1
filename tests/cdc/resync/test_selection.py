"""Conditions of `--where`: what is meant, and what is refused."""

import pytest

from cdc.errors import Misconfigured
from cdc.registry import registry
from cdc.resync.selection import Selection
from stories.models import Story


def selection(*conditions: str) -> Selection:
    capture = registry.find(Story)
    assert capture is not None
    return Selection(capture=capture, conditions=conditions)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("nope=1", "--where names 'nope', which Story has not: give one of comments"),
        ("submitted_by__email=a", "which Story has not"),
        ("diggs=many", "must be an integer"),
        ("submit_date=yesterday", "invalid format"),
        ("status=famous", "is not a valid choice"),
        ("user=1", "holds JSON"),
        ("diggs", "give field=value"),
    ],
)
def test_a_wrong_condition_is_refused(where: str, sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence.replace("(", r"\(")):
        selection(where)


@pytest.mark.django_db
def test_conditions_are_met_together_and_an_empty_value_is_null() -> None:
    wanted = Story.objects.create(title="a", href="http://a.example/", diggs=3)
    Story.objects.create(title="a", href="http://a.example/", diggs=4)
    Story.objects.create(title="a", href="http://a.example/", diggs=3, source_id="x")

    found = selection("diggs=3", "title=a", "source_id=", "submitted_by=")

    assert list(Story.objects.filter(found.query)) == [wanted]
    assert not found.complete
    assert str(found) == "stories_story with diggs=3, title=a, source_id=, submitted_by="
    assert selection().complete
