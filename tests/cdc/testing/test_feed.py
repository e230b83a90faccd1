"""The examples in docs/testing.md run without changes."""

import re

import pytest

from cdc.testing.feed import MemoryFeed
from tests.support.paths import ROOT
from tests.support.toy.models import Label

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = ROOT / "docs" / "testing.md"


def test_the_documented_examples_work() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 -- our own documentation


def test_every_captured_model_is_carried() -> None:
    feed = MemoryFeed()
    Label.objects.create(text="a", size=3)
    feed.run()
    assert feed.documents("labels")["a"]["size"] == 3
    Label.objects.all().delete()
    feed.run()
    feed.run()
    assert feed.documents("labels") == {}
