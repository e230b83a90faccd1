"""The discarded dead letters whose rows a reconciliation compares."""

from collections.abc import Sequence

from cdc.models import DeadLetter

_CHUNK = 500


def discarded_letters(*, using: str) -> list[int]:
    """Return the ids of the discarded dead letters whose documents may differ from their rows."""
    letters = DeadLetter.objects.using(using).filter(may_differ=True)
    return list(letters.order_by("id").values_list("id", flat=True))


def settle_discarded(ids: Sequence[int], *, using: str) -> None:
    """Remove the mark of these dead letters, because their rows now equal their documents."""
    letters = DeadLetter.objects.using(using)
    for start in range(0, len(ids), _CHUNK):
        letters.filter(id__in=ids[start : start + _CHUNK]).update(may_differ=False)
