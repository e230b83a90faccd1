"""Captured models that exist only during one test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.test.utils import isolate_apps

from cdc.registry import Capture, registry


@contextmanager
def captured(*made: type[models.Model]) -> Iterator[None]:
    """Create the tables of these models and capture them; remove both at the end."""
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    try:
        for model in made:
            name = model.__name__.lower()
            registry.register(Capture(model=model, topic=f"made-{name}", collections=(name,)))
        yield
    finally:
        for model in made:
            registry._by_model.pop(model, None)
        with connection.schema_editor() as editor:
            for model in reversed(made):
                editor.delete_model(model)


def isolated() -> Any:
    """Return a context in which new models do not join the apps of the project."""
    return isolate_apps("tests.support.toy", "django.contrib.contenttypes")
