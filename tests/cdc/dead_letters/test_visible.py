"""What lists show of the messages of dead letters."""

import pytest

from cdc.dead_letters import visible
from cdc.dead_letters.visible import operations_of
from tests.support.letters import letter, letter_about

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_operations_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [
        letter_about(17),
        letter(value=None),
        *(letter(value=each) for each in (b"", b"[]", b'{"op":"x"}', b'{"op":["c"]}', b"\xff")),
    ]
    numbers = [each.pk for each in letters]

    assert operations_of(numbers, using="default") == {numbers[0]: "u", numbers[1]: "d"}
    monkeypatch.setattr(visible, "_LARGEST_READ", 10)
    assert operations_of(numbers, using="default") == {numbers[1]: "d"}
