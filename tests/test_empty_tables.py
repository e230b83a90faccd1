"""How the tables are emptied after a test."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.test import TransactionTestCase

from cdc.models import Epoch
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


def test_each_database_has_a_new_epoch() -> None:
    def epochs() -> list[int]:
        return [Epoch.objects.using(name).get().pk for name in sorted(BOTH)]

    empty_tables(Case())
    before = epochs()
    empty_tables(Case())

    assert [now - earlier for now, earlier in zip(epochs(), before, strict=True)] == [1, 1]
