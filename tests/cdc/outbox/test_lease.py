"""The relay's lease: one owner at a time, by the database's clock."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.models import RelayLease
from cdc.outbox.lease import Lease, LeaseRow
from cdc.outbox.table import begin_epoch

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LONG = 600.0


@pytest.fixture
def lease() -> LeaseRow:
    return LeaseRow("default")


def seconds_left() -> float:
    """Return how long the lease lasts, as the database stores it."""
    (expires_at,) = RelayLease.objects.values_list("expires_at", flat=True)
    assert expires_at is not None
    return (expires_at - datetime.now(UTC)).total_seconds()


def lasts_long() -> bool:
    return 0.5 * LONG < seconds_left() < 1.5 * LONG


def test_the_first_lease_has_a_token_that_no_flushed_one_had(lease: LeaseRow) -> None:
    before = time.time_ns() // 1_000_000

    first = lease.take_lease("a", LONG)

    assert first is not None
    assert before <= first.token <= time.time_ns() // 1_000_000, "milliseconds since 1970"
    assert first.mark == 0
    (row,) = RelayLease.objects.all()
    assert (row.owner, row.token, row.mark) == ("a", first.token, 0)
    assert lasts_long()


def test_a_second_taker_does_not_touch_a_lease_that_is_held(lease: LeaseRow) -> None:
    lease.take_lease("a", LONG)
    before = RelayLease.objects.values().get()

    assert lease.take_lease("b", LONG) is None
    assert lease.take_lease("b", LONG, Lease(token=before["token"], mark=99)) is None

    assert RelayLease.objects.values().get() == before


def test_a_renewal_extends_the_lease_and_keeps_its_token(lease: LeaseRow) -> None:
    first = lease.take_lease("a", LONG)
    assert first is not None
    RelayLease.objects.update(expires_at=datetime.now(UTC) + timedelta(seconds=60))

    renewed = lease.take_lease("a", LONG, replace(first, mark=5))

    assert renewed == Lease(token=first.token, mark=5)
    assert lasts_long()
    assert RelayLease.objects.get().mark == 5


def test_a_lease_of_ones_own_that_is_taken_again_has_the_next_token(lease: LeaseRow) -> None:
    """As after a restart, when a process does not know which lease it held before."""
    first = lease.take_lease("a", LONG)
    assert first is not None
    lease.take_lease("a", LONG, replace(first, mark=7))

    assert lease.take_lease("a", LONG) == Lease(token=first.token + 1, mark=7)
    assert RelayLease.objects.get().token == first.token + 1


def test_a_lease_whose_mark_was_reset_is_not_renewed(lease: LeaseRow) -> None:
    """Otherwise, the old mark would hide the rows of a table whose ids restarted."""
    first = lease.take_lease("a", LONG)
    assert first is not None
    lease.take_lease("a", LONG, replace(first, mark=500))
    begin_epoch(1, using="default")

    assert lease.take_lease("a", LONG, replace(first, mark=500)) == Lease(
        token=first.token + 1, mark=0
    )
    assert RelayLease.objects.get().mark == 0


def test_a_relay_that_has_started_over_keeps_its_lease(lease: LeaseRow) -> None:
    first = lease.take_lease("a", LONG)
    assert first is not None
    lease.take_lease("a", LONG, replace(first, mark=500))
    begin_epoch(1, using="default")

    assert lease.take_lease("a", LONG, replace(first, mark=0)) == replace(first, mark=0)
    assert lease.take_lease("a", LONG, replace(first, mark=7)) == replace(first, mark=7)


@pytest.mark.parametrize("lost", ["expired", "released"])
def test_a_lease_that_was_lost_is_taken_and_not_renewed(lease: LeaseRow, lost: str) -> None:
    first = lease.take_lease("a", LONG)
    assert first is not None
    if lost == "expired":
        RelayLease.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=60))
    else:
        lease.drop_lease("a")

    again = lease.take_lease("a", LONG, replace(first, mark=7))

    assert again == Lease(token=first.token + 1, mark=0), "a mark of an old token is not stored"
    assert lasts_long()


def test_the_owner_is_the_one_who_took_it_last(lease: LeaseRow) -> None:
    lease.take_lease("a", LONG)
    lease.drop_lease("a")

    lease.take_lease("b", LONG)

    assert lease.publisher() == "b"
    lease.drop_lease("a")
    assert lease.publisher() == "b"
    assert lasts_long()


def test_only_the_lease_of_the_relay_counts(lease: LeaseRow) -> None:
    RelayLease.objects.create(
        name="another",
        owner="z",
        token=5,
        mark=6,
        expires_at=datetime.now(UTC) + timedelta(seconds=LONG),
    )

    assert lease.publisher() == ""
    taken = lease.take_lease("a", LONG)
    assert taken is not None
    assert (taken.token > 5, taken.mark) == (True, 0)
    lease.drop_lease("z")
    assert lease.publisher() == "a"
    other = RelayLease.objects.get(name="another")
    assert (other.owner, other.token, other.mark) == ("z", 5, 6)


class Overtaken(LeaseRow):
    """Another process takes the lease just before or just after this process creates it."""

    def __init__(self, other: str, *, seen: bool, after: bool = False) -> None:
        super().__init__("default")
        self._other, self._seen, self._after = other, seen, after

    def _create_lease(self, owner: str, seconds: float) -> bool:
        if self._after:
            created = super()._create_lease(owner, seconds)
            assert LeaseRow("default").take_lease(self._other, LONG)
            return created
        assert LeaseRow("default").take_lease(self._other, LONG)
        if not self._seen:
            self._lease = RelayLease.objects.none  # type: ignore[method-assign]
        created = super()._create_lease(owner, seconds)
        vars(self).pop("_lease", None)
        return created


@pytest.mark.parametrize("other", ["first", "second"])
@pytest.mark.parametrize("seen", [False, True])
def test_of_two_that_create_the_lease_at_once_one_gets_it(other: str, *, seen: bool) -> None:
    """This holds even if both have the same name, because a token belongs to one process."""
    assert Overtaken(other, seen=seen).take_lease("second", LONG) is None
    assert LeaseRow("default").publisher() == other
    assert RelayLease.objects.count() == 1


def test_a_lease_that_another_one_has_when_it_is_read_was_not_taken() -> None:
    """The lease expired after its creation, and another process took it before the read."""
    assert Overtaken("first", seen=False, after=True).take_lease("second", -1) is None
    assert LeaseRow("default").publisher() == "first"
