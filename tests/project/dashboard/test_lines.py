"""Labels of lines, and lines that share a label."""

import pytest

from project.dashboard.lines import lines_of, site_of, submitters_of, text_of
from tests.support.reports import group
from users.models import User


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.Site.example", "site.example"),
        ("site.example:8080", "site.example"),
        ("pat:secret@site.example", "site.example"),
        ("awww.example", "awww.example"),
        ("", ""),
    ],
)
def test_a_site_is_a_host_without_its_decoration(host: str, site: str) -> None:
    assert site_of(host) == site


@pytest.mark.parametrize("value", [None, 7, [], {"name": "x"}, True, 1.5, b"x", "", "  \n"])
def test_other_values_than_text_are_no_label(value: object) -> None:
    assert text_of(value) == ""


def test_text_is_one_line() -> None:
    assert text_of(" a\r\n b\t") == "a b"
    assert len(text_of("x" * 900)) == 255


def test_groups_with_one_label_are_one_line() -> None:
    now = [("a", group("www.a", documents=2, diggs=1)), ("b", group("b", documents=3))]
    now.append(("a", group("a", documents=2, diggs=5)))
    before = [
        ("a", group("A", documents=4)),
        ("a", group("a", documents=1)),
        ("c", group("c", documents=9)),
    ]
    first, second = lines_of(now, before)
    assert (first.label, first.now["documents"], first.now["diggs"]) == ("a", 4, 6)
    assert first.before["documents"] == 5
    assert (second.label, second.before) == ("b", {})


@pytest.mark.django_db
def test_submitters_have_the_names_of_their_accounts() -> None:
    ann = User.objects.create_user("ann@people.example", name="Ann")
    keys = ["moss", ann.pk, 999_999, None, True, ["x"], " "]
    labels = [label for label, _ in submitters_of([group(key, documents=1) for key in keys])]
    assert labels == ["moss", "Ann", *["No submitter"] * 5]
