"""Names, a database and a folder that stay for a whole module."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from cdc.conf import CdcSettings, cdc_settings
from cdc.registry import registry
from stories.models import Story
from tests.faults.databases import database_of_our_own
from tests.faults.traffic import log_the_outbox


def settings_of_our_own(bootstrap_servers: str, mongodb_uri: str) -> CdcSettings:
    """Return a topic, a group and a MongoDB database that nobody else has."""
    name = f"faults_{uuid.uuid4().hex[:12]}"
    return replace(
        cdc_settings(),
        bootstrap_servers=bootstrap_servers,
        mongodb_uri=mongodb_uri,
        topic=name,
        group=name,
        mongodb_database=name,
    )


@contextmanager
def captured_into(topic: str) -> Iterator[None]:
    """Let this process's captures name `topic`, as a row of the outbox does."""
    before = registry.find(Story)
    assert before is not None
    registry.register(replace(before, topic=topic))
    yield
    registry.register(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crew")


@pytest.fixture(scope="module")
def module_settings(bootstrap_servers: str, mongodb_uri: str) -> CdcSettings:
    return settings_of_our_own(bootstrap_servers, mongodb_uri)


@pytest.fixture(scope="module")
def module_database(
    django_db_blocker: DjangoDbBlocker, module_settings: CdcSettings, folder: Path
) -> Iterator[None]:
    """A database of the module's own, whose outbox is written down."""
    name = module_settings.mongodb_database
    with (
        captured_into(module_settings.topic),
        django_db_blocker.unblock(),
        database_of_our_own(name, folder),
    ):
        log_the_outbox()
        yield
