"""The deletion of accounts in the admin; accounts with many rows are left to a job."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from cdc.pages import JobMessages
from users.deletion.accounts import (
    MOST_AT_ONCE,
    count_rows,
    delete_accounts,
    lock_changed_rows,
    references,
)
from users.models import User

_LISTED = 20
_EXPLANATION = (
    "The deletion affects many rows. Accounts that cannot be deleted immediately are deactivated, "
    "and a job deletes them. The Jobs page shows the job's progress."
)


class DeletesInJob(JobMessages):
    """A `ModelAdmin` that deletes up to 100 rows in the request, and more in a job."""

    def lock_before(self, request: HttpRequest, row: User) -> None:
        """If the account is to be deleted, lock the rows that its deletion changes."""
        match = request.resolver_match
        if match is not None and str(match.url_name).endswith("_delete"):
            lock_changed_rows(row.pk)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self._delete(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._delete(request, queryset.iterator())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what the confirmation page lists; for a job, only the number of rows."""
        few = objs[: MOST_AT_ONCE + 1]
        rows = sum(count_rows(account.pk, at_most=MOST_AT_ONCE) for account in few)
        if len(few) <= MOST_AT_ONCE and rows <= MOST_AT_ONCE:
            return super().get_deleted_objects(objs, request)
        count = len(objs) if isinstance(objs, list) else objs.count()
        listed = [str(account) for account in few[:_LISTED]]
        others = [f"and {count - len(listed)} more"] if count > len(listed) else []
        return [*listed, *others, _EXPLANATION], {"users": count}, self._missing(request), []

    def _delete(self, request: HttpRequest, accounts: Iterable[User]) -> None:
        deletion = delete_accounts(accounts)
        if deletion.job:
            self.announce_job(request, str(deletion))

    def _missing(self, request: HttpRequest) -> set[str]:
        """Return the names of the models whose rows the user may not delete."""
        return {
            str(model._meta.verbose_name)
            for model in (each.field.model for each in references() if each.deletes)
            if self.admin_site.is_registered(model)
            and not self.admin_site.get_model_admin(model).has_delete_permission(request)
        }
