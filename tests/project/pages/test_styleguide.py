"""The style guide shows the components that the pages use most."""

import re

import pytest
from django.test import Client

from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = pytest.mark.django_db
SHOWN = (
    *("sf-story-row", "sf-story-compact", "sf-vote-button", "sf-health-good", "sf-health-warn"),
    *("sf-part-good", "sf-part-bad", "sf-chart-plot", "sf-chart-spark", "sf-chart-legend"),
    *("sf-badge", "sf-badge-warn", "sf-count", "sf-reveal", "sf-toolbar", "sf-dialog", "sf-drawer"),
    *("sf-confirm", "btn-danger", "sf-empty-good", "breadcrumbs", "sf-filter-form", "sf-figure"),
    *("sf-up", "sf-down", "sf-thumb"),
)


def test_each_component_is_shown_in_both_themes(client: Client) -> None:
    client.force_login(User.objects.create_user("s@people.example", "x", name="S", is_staff=True))
    with plain_static_files():
        page = client.get("/styleguide/").content.decode()
    light, dark = page.split('data-bs-theme="')[1:]
    for theme in (light, dark):
        classes = set(" ".join(re.findall(r'class="([^"]*)"', theme)).split())
        assert [name for name in SHOWN if name not in classes] == []
        assert ">Discard 3 dead letters</h4>" in theme
