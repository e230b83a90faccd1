"""Forms of the admin that were opened before others changed the account or the group."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from tests.support.fuzzing import Fields
from users.models import User

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def names(related: Any) -> list[str]:
    return sorted(str(getattr(each, "codename", each)) for each in related.all())


def opened(client: Client, url: str) -> dict[str, Any]:
    """Return what the page posts, without its checkboxes."""
    return {**Fields(client.get(url).content.decode()).values, "is_active": "on"}


@pytest.fixture
def groups(db: None) -> list[Group]:
    return [Group.objects.create(name=name) for name in ("Authors", "Editors", "Readers")]


def test_an_old_form_does_not_restore_groups_and_permissions(
    as_boss: Client, ann: User, groups: list[Group]
) -> None:
    view, add = Permission.objects.filter(content_type__app_label="stories")[:2]
    ann.groups.add(groups[0], groups[1])
    ann.user_permissions.add(view)
    url = f"/admin/users/user/{ann.pk}/change/"
    ticked = {"groups": [groups[0].pk, groups[1].pk], "user_permissions": [view.pk]}
    old = {**opened(as_boss, url), **ticked, "name": "Corrected"}

    ann.groups.set([groups[0], groups[2]])
    ann.user_permissions.set([add])
    assert as_boss.post(url, old).status_code == 302

    ann.refresh_from_db()
    assert (ann.name, names(ann.groups)) == ("Corrected", ["Authors", "Readers"])
    assert names(ann.user_permissions) == [add.codename]


def test_an_old_form_does_not_remove_the_first_group(
    as_boss: Client, ann: User, groups: list[Group]
) -> None:
    url = f"/admin/users/user/{ann.pk}/change/"
    old = opened(as_boss, url)
    ann.groups.add(groups[0])
    assert as_boss.post(url, {**old, "name": "Corrected"}).status_code == 302
    assert names(ann.groups) == ["Authors"]


def test_an_old_form_adds_and_removes_only_the_groups_of_its_user(
    as_boss: Client, ann: User, groups: list[Group]
) -> None:
    ann.groups.set(groups[:2])
    url = f"/admin/users/user/{ann.pk}/change/"
    old = opened(as_boss, url)
    extra = Group.objects.create(name="Zone")

    ann.groups.set([groups[0], extra])  # others remove Editors and add Zone
    # The user removes Authors and adds Readers.
    as_boss.post(url, {**old, "groups": [groups[1].pk, groups[2].pk]})
    assert names(ann.groups) == ["Readers", "Zone"]

    as_boss.post(url, {**opened(as_boss, url), "groups": []})
    assert names(ann.groups) == []


def test_a_form_without_the_old_values_sets_all_groups(
    as_boss: Client, ann: User, groups: list[Group]
) -> None:
    ann.groups.set(groups[:2])
    data = {"email": ann.email, "name": "A", "user_type": "customer", "groups": [groups[2].pk]}
    as_boss.post(f"/admin/users/user/{ann.pk}/change/", data)
    assert names(ann.groups) == ["Readers"]


def test_an_old_form_of_a_group_does_not_restore_permissions(
    as_boss: Client, groups: list[Group]
) -> None:
    view, add = Permission.objects.filter(content_type__app_label="stories")[:2]
    group = groups[0]
    group.permissions.add(view)
    url = f"/admin/auth/group/{group.pk}/change/"
    old = {**opened(as_boss, url), "permissions": [view.pk]}

    group.permissions.set([add])
    assert as_boss.post(url, {**old, "name": "Writers"}).status_code == 302
    group.refresh_from_db()
    assert (group.name, names(group.permissions)) == ("Writers", [add.codename])

    Group.objects.filter(pk=group.pk).update(name="Poets")
    assert as_boss.post(url, old).status_code == 302
    group.refresh_from_db()
    assert group.name == "Poets"


def test_a_new_group_gets_its_permissions(as_boss: Client) -> None:
    view = Permission.objects.get(codename="view_story")
    url = "/admin/auth/group/add/"
    data = {**opened(as_boss, url), "name": "Readers", "permissions": [view.pk]}
    assert as_boss.post(url, data).status_code == 302
    assert names(Group.objects.get().permissions) == ["view_story"]


@pytest.mark.parametrize("shown", ["0", "x", "0,x", "\0", ",", "9" * 40])
def test_forged_old_values_are_no_error_of_the_server(
    as_boss: Client, ann: User, groups: list[Group], shown: str
) -> None:
    ann.groups.set(groups[:1])
    url = f"/admin/users/user/{ann.pk}/change/"
    page = opened(as_boss, url)
    forged = {**page, "initial-groups": shown, "groups": [groups[1].pk]}
    assert as_boss.post(url, forged).status_code == 302
    assert names(ann.groups) == ["Authors", "Editors"]
