"""Times are truncated to milliseconds, the precision of BSON."""

from datetime import UTC, datetime

import pytest

from cdc.fields import MillisecondDateTimeField
from tests.support.toy.models import Toy

FINE = datetime(2009, 1, 2, 3, 4, 5, 678999, UTC)
CUT = datetime(2009, 1, 2, 3, 4, 5, 678000, UTC)

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_time_is_truncated_by_every_write() -> None:
    toy = Toy(name="a", seen=FINE)
    toy.save()
    assert toy.seen == CUT
    Toy.objects.bulk_create([Toy(name="b", seen=FINE)])
    toy.seen = None
    toy.save()
    Toy.objects.filter(name="a").update(seen=FINE)

    assert list(Toy.objects.values_list("seen", flat=True)) == [CUT, CUT]


def test_a_lookup_truncates_its_time() -> None:
    Toy.objects.create(name="a", seen=FINE)

    assert Toy.objects.filter(seen=FINE).count() == 1
    assert Toy.objects.filter(seen__lt=FINE).count() == 0


@pytest.mark.parametrize("given", ["2009-01-02T03:04:05.678999Z", FINE])
def test_a_form_or_fixture_is_truncated(given: object) -> None:
    assert MillisecondDateTimeField().to_python(given) == CUT


def test_none_remains_none() -> None:
    assert MillisecondDateTimeField(null=True).to_python(None) is None
