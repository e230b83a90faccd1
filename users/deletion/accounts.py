"""Deletes accounts. If many rows refer to accounts, a job deletes them in short transactions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models.deletion import ProtectedError, RestrictedError

from cdc.errors import Refused
from cdc.models import Job
from cdc.operations import JobContext, JobKind, ensure_job
from users.models import User

MOST_AT_ONCE = 100
"""The maximum number of rows that one request deletes or changes."""
_CHUNK = 500
"""The number of rows that one transaction of the job writes."""
_NAME = "delete_accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """The outcome of deleting some accounts."""

    deleted: int = 0
    queued: int = 0
    job: Job | None = None
    """The job that deletes the queued accounts."""

    def __str__(self) -> str:
        sentences = []
        if self.deleted:
            sentences.append(f"{_accounts(self.deleted)} deleted.")
        if self.job:
            sentences.append(
                f"{_accounts(self.queued)} deactivated for now, because the deletion affects many "
                f"other rows. Job {self.job.pk} completes the deletion; the Jobs page shows the "
                "job's progress."
            )
        return " ".join(sentences)


def delete_accounts(accounts: Iterable[User]) -> Deletion:
    """Delete accounts to which at most 100 rows refer in all. Let a job delete the others.

    The others are deactivated at once: their sessions end, and their e-mail addresses stay
    reserved. Call this function in a transaction.
    """
    few: list[User] = []
    left, later = MOST_AT_ONCE, []
    for account in accounts:
        rows = count_rows(account.pk, at_most=left)
        if rows > left:
            later.append(account.pk)
            continue
        few.append(account)
        left -= max(rows, 1)
    lock_changed_rows(*[account.pk for account in few])
    for account in few:
        account.delete()
    return Deletion(deleted=len(few), queued=len(later), job=_queue(later) if later else None)


def lock_changed_rows(*keys: int) -> None:
    """Lock the rows that lose their reference to an account. Call this before accounts are locked.

    A vote, and the deletion of a story, lock the story before they lock the account or its votes.
    If the deletion of the account used the opposite order, they would deadlock.
    """
    for reference in references():
        if not reference.deletes:
            rows = reference.field.model._base_manager.select_for_update()  # noqa: SLF001
            found = reference.rows(*keys).values_list("pk", flat=True)
            for key in found[: MOST_AT_ONCE + 1]:
                # By the primary key only: a search by the reference would first lock its index.
                rows.filter(pk=key).values_list("pk").first()


def count_rows(key: int, *, at_most: int) -> int:
    """Return the number of rows that refer to an account; at most `at_most` + 1 are counted."""
    found = 0
    for reference in references():
        found += reference.rows(key)[: max(at_most + 1 - found, 0)].count()
    return found


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key to accounts, and what a deletion does to the rows that contain it."""

    field: Any

    def rows(self, *keys: int) -> models.QuerySet[Any]:
        """Return the rows that refer to one of these accounts, in primary key order."""
        rows: models.QuerySet[Any] = self.field.model._base_manager.all()  # noqa: SLF001
        return rows.filter(**{f"{self.field.attname}__in": keys}).order_by("pk")

    @property
    def deletes(self) -> bool:
        """Whether the rows are deleted; otherwise, their reference is set to NULL."""
        return bool(self.field.remote_field.on_delete is models.CASCADE)

    def write(self, rows: models.QuerySet[Any]) -> None:
        """Delete the rows, or set their reference to NULL."""
        if self.deletes:
            rows.delete()
        else:
            rows.update(**{self.field.name: None})


def references() -> Iterator[Reference]:
    """Yield the foreign keys that cascade, or are set to NULL, when an account is deleted."""
    for relation in User._meta.related_objects:
        if getattr(relation, "on_delete", None) in {models.CASCADE, models.SET_NULL}:
            yield Reference(relation.field)


def _queue(keys: list[int]) -> Job:
    for start in range(0, len(keys), _CHUNK):
        User.objects.filter(pk__in=keys[start : start + _CHUNK]).update(is_active=False)
    target = f"account {keys[0]}" if len(keys) == 1 else f"{len(keys)} accounts"
    arguments = {"accounts": keys, "rows": _all_rows(keys)}
    return ensure_job(_NAME, arguments, target, "")


def _all_rows(keys: Sequence[int]) -> int:
    """Return the number of rows that refer to one of these accounts."""
    chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
    return sum(each.rows(*chunk).count() for each in references() for chunk in chunks)


def _run(context: JobContext) -> list[str] | None:
    """Delete the accounts of a job. Each transaction is short: it writes few rows."""
    keys: list[int] = context.arguments["accounts"]
    present = User.objects.in_bulk(keys)
    rest = _all_rows(list(present))
    lines = []
    with context.bar("Rows", context.arguments["rows"], context.say) as (_, advance):
        advance(max(context.arguments["rows"] - rest, 0))
        for key in present:
            if not _remove_references(context, key, advance):
                return None
            if not _delete(key):
                lines.append(f"Account {key} was activated again, and was not deleted.")
    return [f"{_accounts(len(keys) - len(lines))} deleted.", *lines]


def _remove_references(context: JobContext, key: int, advance: Callable[[int], None]) -> bool:
    """Delete or change the rows that refer to an account; return False if the job was stopped."""
    for reference in references():
        rows = reference.rows(key)
        while written := _write_chunk(reference, rows, key):
            advance(written)
            if context.stopped():
                return False
    return not context.stopped()


def _write_chunk(reference: Reference, rows: models.QuerySet[Any], key: int) -> int:
    """Delete or change the first rows in one transaction, unless the account is active.

    Return the number of rows. The chunk is a range of keys: with a list of keys, MySQL could read
    the whole table.
    """
    with transaction.atomic():
        keys = list(rows.values_list("pk", flat=True)[:_CHUNK])
        if not keys or not _inactive(key).exists():
            return 0
        reference.write(rows.filter(pk__gte=keys[0], pk__lte=keys[-1]))
        return len(keys)


def _delete(key: int) -> bool:
    """Delete an account; return False if it is active. Raise Refused if a row protects it."""
    try:
        with transaction.atomic():
            lock_changed_rows(key)
            account = _inactive(key).select_for_update().first()
            if account is not None:
                account.delete()
    except (ProtectedError, RestrictedError) as error:
        raise Refused(f"Account {key} cannot be deleted: {error.args[0]}") from None
    return account is not None


def _inactive(key: int) -> models.QuerySet[User]:
    return User.objects.filter(pk=key, is_active=False)


def _accounts(number: int) -> str:
    return "1 account was" if number == 1 else f"{number} accounts were"


DELETION_JOB = JobKind(
    name=_NAME,
    label="Deletion of accounts",
    run=_run,
    on_cancel="The job stops after the current chunk of rows. An account that is not deleted yet "
    "stays deactivated, and keeps the rows that the job has not reached.",
)
