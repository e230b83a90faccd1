"""The products that run or store the stages of the pipeline."""

from contextlib import suppress
from functools import cache

from django.db import Error, connection

_PRODUCTS = {"Topic": "Kafka", "Collections": "MongoDB"}
_USUAL_DATABASE = "MySQL"


def product_of(stage: str) -> str:
    """Return the product of a stage. The relay and the consumers are commands of Django."""
    return database_name() if stage == "Outbox" else _PRODUCTS.get(stage, "Django")


def database_name() -> str:
    """Return the name of the database. Only a connection can tell MariaDB from MySQL."""
    with suppress(Error):
        return _display_name()
    return _USUAL_DATABASE


@cache
def _display_name() -> str:
    return connection.display_name
