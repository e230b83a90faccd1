"""How the tables are emptied after a test."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.test import TransactionTestCase

from tests.support.empty_tables import empty_tables

BOTH = {"default", "other"}
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True, databases=BOTH)]


class Case(TransactionTestCase):
    databases = BOTH


def counts(model: Any) -> list[int]:
    return [model.objects.using(name).count() for name in sorted(BOTH)]


def test_only_content_types_and_permissions_are_kept() -> None:
    for name in BOTH:
        group = Group.objects.using(name).create(name="editors")
        group.permissions.set(Permission.objects.using(name).all()[:2])
    kept = [counts(Permission), counts(ContentType)]

    empty_tables(Case())

    assert counts(Group) == counts(Group.permissions.through) == [0, 0]
    assert [counts(Permission), counts(ContentType)] == kept
    assert min(map(min, kept)) > 0


def test_empty_tables_are_emptied_again() -> None:
    for _ in range(2):
        empty_tables(Case())

    assert counts(Group) == [0, 0]
