"""A SQLite file that is replaced while the relay has it open."""

from pathlib import Path

import pytest
from django.db import connection

from cdc.errors import Retryable
from cdc.outbox.relay import LEASE_SECONDS
from stories.models import Story
from tests.cdc.outbox.guarded import Scene, epoch, save

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_older_copy_of_the_sqlite_file_is_noticed(scene: Scene, tmp_path: Path) -> None:
    file, copy = Path(connection.settings_dict["NAME"]), tmp_path / "copy.sqlite3"
    save(3)
    scene.run()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    save(4)
    scene.run()
    scene.clock.sleep(LEASE_SECONDS)
    for leftover in file.parent.glob(f"{file.name}-*"):
        leftover.unlink()
    copy.replace(file)

    scene.run()
    saved = save(2)
    scene.run()

    assert len(scene.began) == 1
    assert scene.repeated() == {}
    assert [version.epoch for version in sorted(scene.versions())[-2:]] == [epoch()] * 2
    assert Story.objects.count() == 3 + len(saved)


def test_a_missing_sqlite_file_is_not_created(scene: Scene, tmp_path: Path) -> None:
    file = Path(connection.settings_dict["NAME"])
    scene.run()
    away = file.rename(tmp_path / "away")
    scene.clock.sleep(1)
    try:
        with pytest.raises(Retryable, match="is missing"):
            scene.relay.run_once()
        assert not file.exists()
    finally:
        away.rename(file)
    scene.run()
