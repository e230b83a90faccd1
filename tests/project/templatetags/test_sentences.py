"""Text in backticks is rendered as code, and markup in the text is escaped."""

import pytest

from project.templatetags.sentences import coded


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
