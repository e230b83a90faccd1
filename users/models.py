"""People: an e-mail to log in by, a name, and one of three types."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone

from users.fields import LoginEmailField
from users.validators import validate_name


class UserType(models.TextChoices):
    """What somebody is here; it decides which pages are theirs."""

    CUSTOMER = "customer", "Customer"
    TECHNICAL_WORKER = "technical_worker", "Technical Worker"
    SENIOR_MANAGEMENT = "senior_management", "Senior Management"


class UserManager(BaseUserManager["User"]):
    """Makes accounts; the e-mail is the login."""

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

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """Return the name that pages show."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """Return the name that greetings use."""
        return self.get_full_name()
