"""Users, who log in with their e-mail addresses, and the record of role changes."""

from collections.abc import Collection, Iterable
from copy import copy
from functools import partial
from typing import Any, ClassVar, Never

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models, router, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from cdc.api import current_actor
from cdc.errors import Refused
from users.changes.edits import TracksEdits
from users.fields import LoginEmailField, normalized
from users.mail import announce_change
from users.validators import validate_address, validate_name


class UserType(models.TextChoices):
    """The three roles; each has its own home page."""

    CUSTOMER = "customer", "Customer"
    TECHNICAL_WORKER = "technical_worker", "Technical Worker"
    SENIOR_MANAGEMENT = "senior_management", "Senior Management"


ROLE_FIELDS = frozenset({"user_type", "is_staff", "is_superuser"})
"""The fields of a role. A change to any of these fields is recorded and ends all sessions of the
user."""
_ENDS_SESSIONS = frozenset({"email", "is_active"})
"""Further fields whose changes end all sessions, because they raise `session_version`."""

DELETED = "This account was deleted."


class UserQuerySet(models.QuerySet["User"]):
    """Accounts. Bulk updates of roles are refused, because each change of a role is recorded."""

    def update(self, **values: Any) -> int:
        """Update accounts, and end their sessions if necessary. Raise Refused for role fields."""
        if fields := sorted(ROLE_FIELDS & set(values)):
            raise Refused(
                f"{', '.join(fields)} cannot be updated in bulk: save each account, so that the "
                "change of its role is recorded."
            )
        if _ENDS_SESSIONS & set(values):
            values["session_version"] = models.F("session_version") + 1
        return super().update(**values)

    def bulk_create(
        self,
        objs: Iterable["User"],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list["User"]:
        """Create accounts and, in the same transaction, record their roles.

        Raise Refused for options that may overwrite accounts, because the previous roles of these
        accounts would be unknown.
        """
        if ignore_conflicts or update_conflicts:
            raise Refused(
                "ignore_conflicts and update_conflicts are not supported for accounts: save each "
                "account, so that the change of its role is recorded."
            )
        self._for_write = True
        with transaction.atomic(using=self.db):
            made = super().bulk_create(objs, batch_size)
            for user in made:
                RoleChange.record(UserType.CUSTOMER.value, user, self.db)
        return made


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account. An account without a password cannot be used to log in."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(
            email, password, **{**fields, "is_staff": True, "is_superuser": True}
        )

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the account with this e-mail address, which may be in upper or lower case."""
        return self.get(email=username)


class User(TracksEdits, AbstractBaseUser, PermissionsMixin):
    """A user. Registration creates Customers.

    Superusers, and staff with the permission `assign_role`, assign the other types.
    """

    email = LoginEmailField("e-mail address", unique=True, validators=[validate_address])
    name = models.CharField(max_length=150, validators=[validate_name])
    user_type = models.CharField(
        max_length=20, choices=UserType.choices, default=UserType.CUSTOMER, db_index=True
    )
    is_staff = models.BooleanField("staff", default=False, help_text="May open the admin.")
    is_active = models.BooleanField("active", default=True, help_text="May log in.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    session_version = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    """A part of the session hash. It never decreases, so that the old sessions of an account do not
    return if the account is activated again."""

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        ordering = ["email"]
        permissions = [("assign_role", "Can give people a type")]

    def __str__(self) -> str:
        return self.email

    @property
    def role(self) -> str:
        """The type, followed by `staff` and `superuser` if they apply."""
        flags = {"staff": self.is_staff, "superuser": self.is_superuser}
        return ", ".join([self.user_type, *(name for name, is_set in flags.items() if is_set)])

    def save(self, **options: Any) -> None:
        """Save the account and, in the same transaction, record a change of its role.

        Only the fields that were edited since the account was read are written. What others have
        changed in the meantime stays as it is, and a deleted account is not created again.
        """
        using = options.get("using") or router.db_for_write(User, instance=self)
        fields = options.get("update_fields")
        if fields is not None and not (ROLE_FIELDS | _ENDS_SESSIONS) & set(fields):
            super().save(**options)
            return
        with transaction.atomic(using=using):
            stored = User.objects.using(using).select_for_update().filter(pk=self.pk).first()
            if stored is None or options.get("force_insert"):
                self._insert(using, options)
            else:
                self._update(stored, using, options)

    def _insert(self, using: str, options: dict[str, Any]) -> None:
        is_copy = self._state.adding or self._state.db != using or options.get("force_insert")
        if self.pk and not is_copy:
            raise Refused(DELETED)
        super().save(**options)
        RoleChange.record(UserType.CUSTOMER.value, self, using)

    def _update(self, stored: "User", using: str, options: dict[str, Any]) -> None:
        fields = options.get("update_fields")
        edited = self.edited_fields(using) if fields is None else set(fields)
        after = copy(stored)
        for name in edited:
            setattr(after, name, getattr(self, name))
        self._end_sessions(stored, after)
        super().save(**{**options, "update_fields": {*edited, "session_version"}})
        RoleChange.record(stored.role, after, using)
        _announce_changes(stored, after, using)

    def _end_sessions(self, stored: "User", after: "User") -> None:
        """Raise `session_version` above the stored value if the change must end all sessions."""
        ends = stored.email != normalized(after.email) or stored.is_active != after.is_active
        self.session_version = max(self.session_version, stored.session_version) + ends

    def check_password(self, raw_password: str | None) -> bool:
        """Check a password. Renew an outdated hash, unless the password was changed meanwhile."""
        return check_password(raw_password, self.password, self._renew_hash)

    def _renew_hash(self, raw_password: str) -> None:
        renewed = make_password(raw_password)
        same = User.objects.using(self._state.db).filter(pk=self.pk, password=self.password)
        if same.update(password=renewed):
            self.password = renewed
            self.mark_read(["password"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # A change of this hash ends all sessions. Django's own hash covers only the password.
        covered = f"{self.password}\n{self.role}"
        if self.session_version:  # sessions of earlier releases have no version
            covered += f"\n{self.session_version}"
        return salted_hmac("users.session", covered, secret=secret, algorithm="sha256").hexdigest()

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.get_full_name()


def _announce_changes(stored: User, after: User, using: str) -> None:
    """E-mail the owner after the commit; if the address was changed, use the old address."""
    changed = {
        "password": stored.password != after.password,
        "e-mail address": stored.email != normalized(after.email),
    }
    for what in (name for name, differs in changed.items() if differs):
        transaction.on_commit(partial(announce_change, what, stored.email), using=using)


class AppendOnlyQuerySet(models.QuerySet["RoleChange"]):
    def _refuse(self, *_: Any, **__: Any) -> Never:
        raise Refused(APPEND_ONLY)

    update = bulk_update = delete = _refuse

    def bulk_create(self, objs: Any, batch_size: Any = None, *args: Any, **options: Any) -> Any:
        """Insert rows; raise Refused if rows that conflict would be updated or ignored."""
        unsafe = any((*args, *options.values()))
        return self._refuse() if unsafe else super().bulk_create(objs, batch_size)


APPEND_ONLY = (
    "The record of a role change cannot be changed or deleted: to add a record, change the role "
    "again."
)


class RoleChange(models.Model):
    """One change of a user's role. The table is append-only.

    The record contains the id and the e-mail address of the user, because the account may be
    deleted later.
    """

    at = models.DateTimeField(default=timezone.now, editable=False)
    who = models.CharField(max_length=255)
    """The actor: an e-mail address or the name of a command."""
    whom_id = models.BigIntegerField()
    whom = models.CharField(max_length=254)
    from_role = models.CharField("from", max_length=60)
    to_role = models.CharField("to", max_length=60)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.whom}: {self.from_role} -> {self.to_role}"

    def save(self, **options: Any) -> None:
        """Insert the row. Raise Refused if the row already exists."""
        if self.pk:
            raise Refused(APPEND_ONLY)
        super().save(**{**options, "force_insert": True})

    def delete(self, using: Any = None, keep_parents: bool = False) -> Never:
        raise Refused(APPEND_ONLY)

    @classmethod
    def record(cls, before: str, user: User, using: str) -> None:
        """Add a row if the role differs from `before`."""
        if before != user.role:
            # MySQL does not return the keys of rows created in bulk.
            whom_id = user.pk or User.objects.using(using).get(email=user.email).pk
            row = cls(
                whom_id=whom_id, whom=normalized(user.email), from_role=before, to_role=user.role
            )
            row.who = _name_of(current_actor(), using)
            row.save(using=using)


class ResetRequest(models.Model):
    """An attempt, such as a request for a reset link, kept while it counts towards the limits."""

    purpose = models.CharField(max_length=12, default="reset")
    at = models.DateTimeField(default=timezone.now, db_index=True)
    email = LoginEmailField("e-mail address", db_index=True)
    address = models.CharField(max_length=45, db_index=True)

    def __str__(self) -> str:
        return f"{self.email} at {self.at}"


def _name_of(actor: str, using: str) -> str:
    account = User.objects.using(using).filter(pk=actor).first() if actor.isdecimal() else None
    return account.email if account else actor
