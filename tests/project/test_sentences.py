"""What stands in backticks is code, and nothing that somebody wrote is markup."""

import pytest

from project.templatetags.sentences import coded


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Nothing waits.", "Nothing waits."),
        ("start `manage.py a` or `b`.", "start <code>manage.py a</code> or <code>b</code>."),
        ("`a`", "<code>a</code>"),
        ("<b> `<i>` &", "&lt;b&gt; <code>&lt;i&gt;</code> &amp;"),
        ("one ` <b> alone", "one ` &lt;b&gt; alone"),
    ],
)
def test_sentence_is_shown_with_its_commands_as_code(sentence: str, shown: str) -> None:
    assert coded(sentence) == shown
