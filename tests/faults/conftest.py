"""Fixtures that give each module its own settings, database and folder."""

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
from tests.faults.databases import isolated_database
from tests.faults.traffic import create_outbox_log


def isolated_settings(bootstrap_servers: str, mongodb_uri: str) -> CdcSettings:
    """Return settings with a new topic, consumer group and MongoDB database."""
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
    """Publish the stories that this process captures to `topic`, like the daemons."""
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
    return isolated_settings(bootstrap_servers, mongodb_uri)


@pytest.fixture(scope="module")
def module_database(
    django_db_blocker: DjangoDbBlocker, module_settings: CdcSettings, folder: Path
) -> Iterator[None]:
    """Use a new database for the module. A table in it logs every outbox row."""
    name = module_settings.mongodb_database
    with (
        captured_into(module_settings.topic),
        django_db_blocker.unblock(),
        isolated_database(name, folder),
    ):
        create_outbox_log()
        yield
