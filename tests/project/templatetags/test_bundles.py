"""Bundles replace the admin's scripts that they contain, if the bundles exist."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.staticfiles import finders
from django.forms import Media

from project.http.static_files import SCRIPTS
from project.templatetags import bundles
from tests.support.static_files import plain_static_files


def media() -> Media:
    """Return the media of an admin form."""
    own = Media(css={"all": ["own.css"]}, js=["own.js"])
    return admin.site.get_model_admin(Group).media + own


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show the paths of files instead of their addresses in the manifest."""
    monkeypatch.setattr(Media, "absolute_path", lambda _, path: path)


def test_bundles_replace_their_scripts(paths: None) -> None:
    found = str(bundles.bundled(media()))
    assert [part for part in found.split('"') if part.endswith(".js")] == [
        *("project/admin_base.js", "own.js")
    ]
    assert "own.css" in found


def test_an_incomplete_bundle_is_not_used(paths: None) -> None:
    scripts = SCRIPTS["project/admin_base.js"][1:]
    found = str(bundles.bundled(Media(js=scripts)))
    assert "project/" not in found
    assert scripts[0] in found


def test_without_collected_files_nothing_changes() -> None:
    given = media()
    with plain_static_files():
        assert bundles.bundled(given) is given


def test_all_scripts_exist_and_no_model_needs_those_that_are_left_out() -> None:
    scripts = {*bundles.UNUSED, *(part for parts in SCRIPTS.values() for part in parts)}
    assert [each for each in sorted(scripts) if finders.find(each) is None] == []
    registered = admin.site._registry.values()
    assert registered
    needing = [(each.prepopulated_fields, each.autocomplete_fields) for each in registered]
    assert [each for each in needing if any(each)] == []
