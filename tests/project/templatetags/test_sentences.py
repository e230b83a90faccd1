"""Text in backticks as code, with markup escaped; durations; and times since a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from project.templatetags.sentences import before, coded, duration


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("In sync.", "In sync."),
        ("start `manage.py a` or `b`.", "start <code>manage.py a</code> or <code>b</code>."),
        ("`a`", "<code>a</code>"),
        ("<b> `<i>` &", "&lt;b&gt; <code>&lt;i&gt;</code> &amp;"),
        ("one ` <b> alone", "one ` &lt;b&gt; alone"),
    ],
)
def test_commands_are_shown_as_code(sentence: str, shown: str) -> None:
    assert coded(sentence) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.2, "0 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (3_605, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_time_since_a_moment() -> None:
    now = datetime.now(UTC)
    found = [before(now - timedelta(seconds=each)) for each in (-9, 30, 61, 7_300, 200_000)]
    assert found == ["just now", "just now", "1 min ago", "2 h ago", "2 d ago"]
