"""Each change of a role is recorded in its own transaction and database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdc.context import acting_as
from cdc.errors import Refused
from tests.users.test_models import changes
from users.models import ResetRequest, RoleChange, User, UserType

pytestmark = pytest.mark.django_db


def test_a_refused_update_names_the_fields_of_the_role(ann: User) -> None:
    with pytest.raises(Refused, match="is_staff, user_type cannot be updated in bulk"):
        User.objects.update(name="A", user_type="technical_worker", is_staff=True)

    ann.refresh_from_db()
    assert (ann.name, ann.is_staff) == ("Ann <b>", False)


def test_accounts_are_created_in_batches() -> None:
    people = [User(email=f"{n}@people.example", name="P") for n in range(4)]
    with CaptureQueriesContext(connection) as queries:
        assert User.objects.bulk_create(people, 2) == people

    assert sum("INSERT" in query["sql"] for query in queries) == 2


def test_accounts_created_in_bulk_are_undone_with_their_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = [User(email="boss@people.example", name="B", is_staff=True)]
    monkeypatch.setattr(RoleChange, "save", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        User.objects.bulk_create(people)
    with pytest.raises(ZeroDivisionError):
        User.objects.create_user("other@people.example", name="O", is_staff=True)

    assert not User.objects.exists()


class WriteToOther:
    """Reads from one database, writes to the other."""

    def db_for_read(self, model: type, **_: Any) -> str:
        return "default"

    def db_for_write(self, model: type, **_: Any) -> str:
        return "other"


class StayWithTheInstance:
    """Writes accounts where they came from, and otherwise to the other database."""

    def db_for_write(self, model: Any, instance: Any = None, **_: Any) -> str | None:
        if model._meta.app_label != "users":
            return None
        return (instance and instance._state.db) or "other"


def people_of(database: str) -> list[tuple[str, str]]:
    """Return the e-mail addresses in a database, each with its last recorded role."""
    changes = dict(RoleChange.objects.using(database).order_by("id").values_list("whom", "to_role"))
    emails = User.objects.using(database).order_by("id").values_list("email", flat=True)
    return [(email, changes.get(email, "")) for email in emails]


def roles_of(database: str, user: User) -> list[tuple[str, str]]:
    """Return the recorded changes of an account's role, in order."""
    rows = RoleChange.objects.using(database).filter(whom_id=user.pk).order_by("id")
    return list(rows.values_list("from_role", "to_role"))


def test_each_change_begins_with_the_role_before(ann: User) -> None:
    for role in (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT):
        ann.user_type = role
        ann.save()
        ann.save()
    copy = User(pk=ann.pk, email=ann.email, name="Copy", user_type=UserType.SENIOR_MANAGEMENT)
    copy.save()

    assert roles_of("default", ann) == [
        ("customer", "technical_worker"),
        ("technical_worker", "senior_management"),
    ]


@pytest.mark.django_db(databases=["default", "other"])
def test_an_account_without_its_key_is_found_by_its_address(ann: User) -> None:
    there = User.objects.db_manager("other").create_user(ann.email, pk=ann.pk + 7, name="There")
    for database in ("default", "other"):
        RoleChange.record("customer", User(email=" ANN@people.example", is_staff=True), database)

    rows = [RoleChange.objects.using(name).get() for name in ("default", "other")]
    assert [row.whom_id for row in rows] == [ann.pk, there.pk]
    assert {row.whom for row in rows} == {ann.email}


@pytest.mark.django_db(databases=["default", "other"])
def test_accounts_and_their_record_are_in_the_database_that_was_asked_for() -> None:
    manager = User.objects.db_manager("other")
    boss = manager.create_superuser("boss@people.example", name="B")
    manager.using("other").bulk_create([User(email="c@people.example", name="C", is_staff=True)])
    User(email="d@people.example", name="D", is_staff=True).save(using="other")
    boss.is_staff = False
    boss.save(using="other")

    assert manager.get_by_natural_key("BOSS@people.example") == boss
    assert roles_of("other", boss) == [
        ("customer", "customer, staff, superuser"),
        ("customer, staff, superuser", "customer, superuser"),
    ]
    assert people_of("other") == [
        ("boss@people.example", "customer, superuser"),
        ("c@people.example", "customer, staff"),
        ("d@people.example", "customer, staff"),
    ]
    assert people_of("default") == []


@pytest.mark.django_db(databases=["default", "other"])
def test_accounts_and_their_record_are_where_the_router_writes(settings: Any) -> None:
    settings.DATABASE_ROUTERS = ["tests.users.test_role_record.WriteToOther"]
    User.objects.bulk_create([User(email="c@people.example", name="C", is_staff=True)])
    User(email="d@people.example", name="D", is_staff=True).save()

    expected = [("c@people.example", "customer, staff"), ("d@people.example", "customer, staff")]
    assert (people_of("other"), people_of("default")) == (expected, [])


@pytest.mark.django_db(databases=["default", "other"])
def test_accounts_are_undone_where_the_router_writes(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATABASE_ROUTERS = ["tests.users.test_role_record.WriteToOther"]
    monkeypatch.setattr(RoleChange, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        User.objects.bulk_create([User(email="c@people.example", name="C", is_staff=True)])

    with pytest.raises(ZeroDivisionError):
        User(email="d@people.example", name="D", is_staff=True).save()

    assert people_of("other") == []


@pytest.mark.django_db(databases=["default", "other"])
def test_a_router_knows_which_account_is_saved(settings: Any, ann: User) -> None:
    settings.DATABASE_ROUTERS = ["tests.users.test_role_record.StayWithTheInstance"]
    ann.is_staff = True
    ann.save()

    assert (people_of("default"), people_of("other")) == ([(ann.email, "customer, staff")], [])


@pytest.mark.django_db(databases=["default", "other"])
def test_an_actor_is_named_from_the_database_of_the_change(ann: User) -> None:
    User.objects.db_manager("other").create_user("zed@people.example", pk=ann.pk, name="Zed")
    made = User(email="b@people.example", name="B", is_staff=True)
    with acting_as(str(ann.pk)):
        made.save(using="other")
        made.save(using="default", force_insert=True)
    with acting_as("0"):
        User.objects.create_superuser("c@people.example", name="C")

    others = RoleChange.objects.using("other").values_list("who", flat=True)
    assert list(others) == ["zed@people.example"]
    assert [who for who, *_ in changes()] == [ann.email, "0"]


def test_each_role_is_shown_with_its_privileges(ann: User) -> None:
    shown = [
        User(user_type=UserType.TECHNICAL_WORKER, is_staff=staff, is_superuser=superuser).role
        for staff in (False, True)
        for superuser in (False, True)
    ]
    assert shown == [
        "technical_worker",
        "technical_worker, superuser",
        "technical_worker, staff",
        "technical_worker, staff, superuser",
    ]


def test_a_save_of_other_fields_does_not_touch_the_role(ann: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        ann.save(update_fields=["name"])
    assert len(queries) == 1

    ann.is_staff = True
    ann.save(update_fields=["name"])
    assert changes() == []
    with acting_as("some_command"):
        ann.save(update_fields=["name", "is_staff"])
    assert changes() == [("some_command", ann.email, "customer", "customer, staff")]
    ann.is_staff = False
    ann.save(update_fields=[])
    ann.refresh_from_db()
    assert ann.is_staff


def test_an_account_is_named_by_its_name_or_its_address(ann: User) -> None:
    assert (ann.get_full_name(), ann.get_short_name(), str(ann)) == ("Ann <b>",) * 2 + (ann.email,)
    assert User(email="a@people.example").get_full_name() == "a@people.example"


def test_a_row_of_the_record_is_inserted_only_once(boss: User) -> None:
    row = RoleChange.objects.get()
    assert str(row) == "boss@people.example: customer -> customer, staff, superuser"
    assert row.whom_id == boss.pk

    row.pk = None
    row.save(force_insert=False)
    assert RoleChange.objects.count() == 2


def test_the_key_of_an_existing_row_of_the_record_is_not_written_over(boss: User) -> None:
    kept = RoleChange.objects.get()
    other = RoleChange(who="x", whom_id=1, whom="x", from_role="x", to_role="x")
    other.pk = kept.pk
    with pytest.raises(Refused, match="cannot be changed or deleted"):
        other.save()


def test_a_reset_request_is_shown_with_its_time() -> None:
    request = ResetRequest(email="a@people.example", at=datetime(2009, 6, 1, tzinfo=UTC))
    assert str(request) == "a@people.example at 2009-06-01 00:00:00+00:00"


def test_sessions_end_with_a_password_and_a_role_only(ann: User, settings: Any) -> None:
    def covered(**values: Any) -> str:
        plain = {"password": "p", "user_type": UserType.CUSTOMER, "name": "A"}
        return User(**{**plain, **values}).get_session_auth_hash()

    assert covered(name="B", email="b@people.example") == covered()
    others: list[dict[str, Any]] = [
        {"password": "q"},
        {"user_type": "technical_worker"},
        {"is_staff": True},
    ]
    assert len({covered(), *(covered(**each) for each in others)}) == 4


def test_sessions_outlive_an_upgrade_and_a_new_secret_key(ann: User, settings: Any) -> None:
    """Sessions of every release contain this hash, so a different hash would end all sessions."""
    settings.SECRET_KEY = "k" * 50
    account = User(password="p", user_type=UserType.CUSTOMER)
    begun = "706b7d93f34611fcb3c75def2b4c9e700c9c9517b1adf57c2012002e7192b4e8"
    assert account.get_session_auth_hash() == begun

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, ["k" * 50]
    assert account.get_session_auth_hash() != begun
    assert list(account.get_session_auth_fallback_hash()) == [begun]
