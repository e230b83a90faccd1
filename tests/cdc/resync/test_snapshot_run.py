"""Which models and rows a snapshot means."""

import pytest

from cdc.errors import Misconfigured
from cdc.resync.snapshot_run import InitialLoad


def load() -> InitialLoad:
    return InitialLoad(print, lambda: False, using="default")


def test_all_captured_models_are_meant_unless_one_is_named() -> None:
    everything = [str(selection) for selection in load().selections(None, [])]
    assert {"stories_story", "toy_label"} <= set(everything)
    (one,) = load().selections("stories.Story", ["diggs=3", "media=news"])
    assert str(one) == "stories_story with diggs=3, media=news"


@pytest.mark.parametrize(
    ("model", "where", "sentence"),
    [
        ("users.User", [], "--model is 'users.User', which is not captured: give one of "),
        (None, ["diggs=3"], "--where needs --model: several models are captured."),
    ],
)
def test_what_cannot_be_meant_is_refused(
    model: str | None, where: list[str], sentence: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        load().selections(model, where)
    assert str(caught.value).startswith(sentence)
