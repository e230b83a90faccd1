"""People: an e-mail to log in by, a name, and one of three types."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Never

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, router, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from cdc.api import current_actor
from cdc.errors import Refused
from users.fields import LoginEmailField, login_form
from users.validators import validate_name


class UserType(models.TextChoices):
    """What somebody is here; it decides which pages are theirs."""

    CUSTOMER = "customer", "Customer"
    TECHNICAL_WORKER = "technical_worker", "Technical Worker"
    SENIOR_MANAGEMENT = "senior_management", "Senior Management"


ROLE_FIELDS = frozenset({"user_type", "is_staff", "is_superuser"})
"""What makes a role: each change of one of these is recorded, and ends the person's sessions."""


class UserQuerySet(models.QuerySet["User"]):
    """Accounts; roles are changed one by one, so that each change is recorded."""

    def update(self, **values: Any) -> int:
        """Update all of them; Refused when a role is among the values."""
        if fields := sorted(ROLE_FIELDS & set(values)):
            raise Refused(
                f"{', '.join(fields)} cannot be updated for many accounts at once: save each one, "
                "so that the change of its role is recorded."
            )
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
        """Create all of them, and in the same transaction a record of each role.

        Refused where it could touch accounts that are there: no record could tell what they were.
        """
        if ignore_conflicts or update_conflicts:
            raise Refused(
                "Accounts are not created over others that may be there: save each one, so that "
                "the change of its role is recorded."
            )
        self._for_write = True
        with transaction.atomic(using=self.db):
            made = super().bulk_create(objs, batch_size)
            for user in made:
                RoleChange.record(UserType.CUSTOMER.value, user, self.db)
        return made


class UserManager(BaseUserManager["User"]):
    """Makes accounts; the e-mail is the login."""

    def get_queryset(self) -> UserQuerySet:
        """Return all accounts."""
        return UserQuerySet(self.model, using=self._db)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account; without a password nobody can log in to it."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account that may do everything."""
        return self.create_user(
            email, password, **{**fields, "is_staff": True, "is_superuser": True}
        )

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find the account of an e-mail address, whatever its case."""
        return self.get(email=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Self-registration makes Customers; only admins give the other types."""

    email = LoginEmailField("e-mail address", unique=True)
    name = models.CharField(max_length=150, validators=[validate_name])
    user_type = models.CharField(
        max_length=20, choices=UserType.choices, default=UserType.CUSTOMER, db_index=True
    )
    is_staff = models.BooleanField("staff", default=False, help_text="May open the admin.")
    is_active = models.BooleanField("active", default=True, help_text="May log in.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

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
        """The type, and the powers beside it."""
        powers = {"staff": self.is_staff, "superuser": self.is_superuser}
        return ", ".join([self.user_type, *(name for name, given in powers.items() if given)])

    def save(self, **options: Any) -> None:
        """Save the account, and in the same transaction what became of its role."""
        using = options.get("using") or router.db_for_write(User, instance=self)
        fields = options.get("update_fields")
        if fields is not None and not ROLE_FIELDS & set(fields):
            super().save(**options)
            return
        with transaction.atomic(using=using):
            accounts = User.objects.using(using).select_for_update()
            held = accounts.filter(pk=self.pk).first() if self.pk else None
            super().save(**options)
            RoleChange.record(held.role if held else UserType.CUSTOMER.value, self, using)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django's own covers the password: a session ends when this changes, wherever it is.
        covered = f"{self.password}\n{self.role}"
        return salted_hmac("users.session", covered, secret=secret, algorithm="sha256").hexdigest()

    def get_full_name(self) -> str:
        """Return the name that pages show."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """Return the name that greetings use."""
        return self.get_full_name()


class AppendOnlyQuerySet(models.QuerySet["RoleChange"]):
    """Rows that are written once."""

    def update(self, **_: Any) -> Never:
        """Refuse."""
        raise Refused(APPEND_ONLY)

    def delete(self) -> Never:
        """Refuse."""
        raise Refused(APPEND_ONLY)


APPEND_ONLY = "The record of roles is never changed: write a new row, by changing the role again."


class RoleChange(models.Model):
    """One change of somebody's role; rows are added and never changed.

    People are named by id and by text: the record outlives their accounts.
    """

    at = models.DateTimeField(default=timezone.now, editable=False)
    who = models.CharField(max_length=255)
    """Who changed it: an e-mail address, or a command's name."""
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
        """Add the row; Refused when it is there already."""
        if self.pk:
            raise Refused(APPEND_ONLY)
        super().save(**{**options, "force_insert": True})

    def delete(self, using: Any = None, keep_parents: bool = False) -> Never:
        """Refuse."""
        raise Refused(APPEND_ONLY)

    @classmethod
    def record(cls, before: str, user: User, using: str) -> None:
        """Add a row when the role is not what it was."""
        if before != user.role:
            # MySQL tells no keys of rows that it was given together.
            whom_id = user.pk or User.objects.using(using).get(email=user.email).pk
            row = cls(
                whom_id=whom_id, whom=login_form(user.email), from_role=before, to_role=user.role
            )
            row.who = _name_of(current_actor(), using)
            row.save(using=using)


class ResetRequest(models.Model):
    """A link for a new password that somebody asked for, kept for as long as it is counted."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    email = LoginEmailField("e-mail address", db_index=True)
    address = models.CharField(max_length=45, db_index=True)

    def __str__(self) -> str:
        return f"{self.email} at {self.at}"


def _name_of(actor: str, using: str) -> str:
    account = User.objects.using(using).filter(pk=actor).first() if actor.isdecimal() else None
    return account.email if account else actor
