"""The values of a new row. Capture uses them to find the rows that the new row conflicts with."""

from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Deferrable, F, Q, Value
from django.db.models.functions import Lower
from django.test.utils import isolate_apps

from cdc.capture.conflicts import conflicts, new_values
from tests.support.toy.models import Coupon, Label, Toy


def field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


@isolate_apps("tests.support.toy")
def test_a_value_made_at_the_insert_or_by_the_database_is_known() -> None:
    class Made(models.Model):
        size = models.IntegerField()
        twice = models.GeneratedField(
            expression=F("size") * 2,
            output_field=models.IntegerField(),
            db_persist=True,
            unique=True,
        )
        first = models.DateTimeField(auto_now_add=True)

        class Meta:
            app_label = "toy"

        def __str__(self) -> str:
            return "made"

    one = Made(size=3)

    for target in (["twice"], None):
        *others, condition = conflicts(one, target, using="default")
        assert others == []
        child: Any = condition.children[0]
        name, expression = child
        assert len(condition.children) == 1
        assert (name, repr(expression)) == ("twice", "ExpressionWrapper(Value(3) * Value(2))")
        assert expression.output_field is field(Made, "twice")
    assert new_values(one, ["size", "first"]) == {"size": 3, "first": one.first}
    assert one.first is not None


def test_each_unique_key_is_a_condition_in_mysql_s_order() -> None:
    toy = Toy(pk=7, name="a", code=None, box_id=2, place=3)

    def value(name: str, given: Any) -> Value:
        return Value(given, field(Toy, name))

    assert conflicts(toy, None, using="default") == [
        Q(id=value("id", 7)),
        Q(name=value("name", "a")),
        Q(box=value("box", 2), place=value("place", 3)),
    ]


def named(condition: Q) -> list[str]:
    """Return the columns, or the expressions, that a condition compares."""
    return [child[0] if isinstance(child, tuple) else repr(child) for child in condition.children]


@isolate_apps("tests.support.toy")
def test_keys_of_every_declaration_are_conditions_unless_mysql_has_none() -> None:
    class Declared(models.Model):
        a = models.IntegerField()
        b = models.CharField(max_length=9)

        class Meta:
            app_label = "toy"
            unique_together = [("b", "a")]
            constraints = [
                models.UniqueConstraint(fields=["a"], name="plain"),
                models.UniqueConstraint("a", Lower("b").desc(), name="expressions"),
                models.UniqueConstraint(fields=["b"], name="condition", condition=Q(a=1)),
                models.UniqueConstraint(fields=["b"], name="late", deferrable=Deferrable.DEFERRED),
                models.UniqueConstraint(fields=["b"], name="include", include=["a"]),
                models.UniqueConstraint(fields=["b"], name="null", nulls_distinct=True),
                models.UniqueConstraint(fields=["b"], name="no null", nulls_distinct=False),
                models.CheckConstraint(condition=Q(a__gt=0), name="no key"),
            ]

        def __str__(self) -> str:
            return "declared"

    found = conflicts(Declared(a=3, b="X"), None, using="default")

    keys = [named(condition) for condition in found]
    expressions = ["Exact(F(a), Value(3))", "Exact(Lower(F(b)), Lower(Value('X')))"]
    expected = [["b", "a"], ["a"]]
    indexed = connection.features.supports_expression_indexes
    assert [sorted(key) for key in keys] == [
        *(sorted(key) for key in expected),
        *([expressions] if indexed else []),
    ]


def test_a_key_with_null_conflicts_with_nothing() -> None:
    assert conflicts(Toy(name="a", box_id=2), None, using="default") == [
        Q(name=Value("a", field(Toy, "name")))
    ]
    assert conflicts(Coupon(word=None), ["word"], using="default") == []


def test_a_target_is_the_only_key() -> None:
    pk = Q(text=Value("a", field(Label, "text")))
    assert conflicts(Label(text="a"), ["pk"], using="default") == [pk]
    assert conflicts(Label(text="a"), iter(["text"]), using="default") == [pk]
    size = Value(4, field(Toy, "place"))
    name = Value("a", field(Toy, "name"))
    assert conflicts(Toy(name="a", place=4), ["place", "name"], using="default") == [
        Q(place=size, name=name)
    ]


def test_an_expression_is_compared_as_it_is() -> None:
    word = Lower(Value("A"))
    assert conflicts(Coupon(word=word), ["word"], using="default") == [Q(word=word)]


@pytest.mark.parametrize("names", [["pk", "size"], iter(["pk", "size"])])
def test_values_are_by_the_names_of_fields(names: Any) -> None:
    assert new_values(Label(text="a", size=3), names) == {"text": "a", "size": 3}
