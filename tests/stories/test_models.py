"""Validation of stories."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from stories.models import Story


def story(**changes: Any) -> Story:
    address = "https://a.example/"
    return Story(**{"title": "T", "href": address, "link": address, **changes})


def errors(made: Story) -> list[str]:
    try:
        made.full_clean(validate_unique=False)
    except ValidationError as error:
        return list(error.message_dict)
    return []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"thumbnail": {"src": "x"}},
        {"diggs": 2**32 - 1},
        {"link": "http://b.example/ü?q=1"},
        {"user": {"n": 2**63 - 1}},
    ],
)
def test_valid_story_is_accepted(changes: dict[str, Any]) -> None:
    assert errors(story(**changes)) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "a\0"),
        ("description", "\udc80"),
        ("media", "x" * 21),
        ("diggs", 2**32),
        ("comments", -1),
        ("href", "ftp://a.example/"),
        ("link", "http://a.example/" + "x" * 500),
        ("container", []),
        ("topic", "t"),
        ("user", {"n": 2**63}),
        ("user", {"a\0": 1}),
        ("thumbnail", []),
        ("thumbnail", {"n": float("inf")}),
        ("shorturl", {}),
        ("status", "lost"),
    ],
)
def test_value_that_cannot_be_stored_or_replicated_is_refused(field: str, value: Any) -> None:
    assert errors(story(**{field: value})) == [field]
