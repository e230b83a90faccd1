"""The check of the database server's limit of connections, on each database."""

from dataclasses import replace

import pytest
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.db import connection

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def found() -> list[str]:
    messages = run_checks(tags=[Tags.database], databases=["default"])
    return [message.msg for message in messages if message.id == "project.W001"]


def test_default_settings_fit() -> None:
    assert found() == []


@pytest.mark.parametrize(("workers", "pages"), [(40, 20), (1, 1_000), (20, 50)])
def test_more_connections_than_the_server_accepts_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, workers: int, pages: int
) -> None:
    environment = replace(settings.ENVIRONMENT, web_workers=workers, database_connections=pages)
    monkeypatch.setattr(settings, "ENVIRONMENT", environment)
    assert len(found()) == (connection.vendor == "mysql")
