"""Finds what the statements of a bulk write depend on: the time, random values, and other rows."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError
from django.db import connections
from django.db.models import QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.db.models.sql import Query

from cdc.models import Epoch

_RANDOM = re.compile(r"\b(RAND|RANDOM|UUID)\(", re.IGNORECASE)
_SOURCE = re.compile(r"\b(?:FROM|JOIN)\s+[\"`]?(\w+)", re.IGNORECASE)
_AS_TEXT = {"mysql": ("SELECT CAST({} AS CHAR)", "TIMESTAMP'{}'"), "sqlite": ("SELECT {}", "'{}'")}
"""For each database: the statement that reads an expression as text, and the literal."""


def is_random(rows: QuerySet[Any, Any]) -> bool:
    """Return whether the queryset may return different rows each time, even without changes."""
    sql, _ = rows.order_by().query.get_compiler(rows.db).as_sql()
    return bool(_RANDOM.search(sql))


@contextmanager
def one_time(using: str) -> Iterator[None]:
    """Give `Now()` the same value in all statements, as if they were one statement."""
    connection = connections[using]
    compiler = QuerySet(Epoch).query.get_compiler(using)
    now, _ = compiler.compile(Now())
    read, literal = _AS_TEXT[connection.vendor]
    times: list[str] = []

    def replaced(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        if now in sql:
            if not times:
                context = rest[-1]
                execute(read.format(now), (), False, context)
                times.append(literal.format(context["cursor"].fetchone()[0]))
            sql = sql.replace(now, times[0])
        return execute(sql, params, *rest)

    with connection.execute_wrapper(replaced):
        yield


def reads_table(rows: QuerySet[Any, Any], expression: Any, reference: Any) -> bool:
    """Return whether an expression may depend on other rows of the table of `rows`.

    `reference` is the expression itself or, for an annotation of `rows`, an `F()` with its name.
    """
    parts = expression.flatten() if hasattr(expression, "flatten") else [expression]
    kinds = [part for part in parts if isinstance(part, Subquery | RawSQL | QuerySet | Query)]
    if not kinds or any(isinstance(part, RawSQL) for part in kinds):
        return bool(kinds)
    try:
        value = rows.order_by().annotate(cdc_value=reference).values_list("cdc_value")
        sql, _ = value.query.get_compiler(rows.db).as_sql()
    except FieldError:  # only the UPDATE would know the type of the value
        return True
    table = rows.model._meta.db_table
    known = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed  # another model may be a view of the table
    }
    mentions = re.findall(rf"\b{re.escape(table)}\b(?![\"`]?\.)", sql)
    return len(mentions) > 1 or not known.issuperset(_SOURCE.findall(sql))
