"""Forms for registration, login, password reset, and accounts in the admin."""

from threading import Lock
from typing import Any

from django import forms
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordResetForm,
)
from django.contrib.auth.forms import UserChangeForm as BaseUserChangeForm

from users.fields import LoginEmailInput
from users.mail import mail_thread
from users.models import User

_LOGINS = tuple(Lock() for _ in range(64))
"""Logins to one account take the same lock."""
TAKEN = "An account with this e-mail address already exists. Log in, or reset your password."


class LoginForm(AuthenticationForm):
    """Asks for an e-mail address and a password. The field of the address is named `username`."""

    username = LoginEmailInput(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    error_messages = {
        "invalid_login": "Wrong e-mail address or password. Passwords are case-sensitive.",
        "inactive": "This account is disabled. Ask an admin to enable it.",
    }

    def clean(self) -> dict[str, Any]:
        """Examine one login to an account at a time.

        Otherwise, the passwords of simultaneous logins would all be examined before the first
        failures count towards the limit.
        """
        with _LOGINS[hash(self.cleaned_data.get("username")) % len(_LOGINS)]:
            return super().clean()


class RegistrationForm(BaseUserCreationForm[User]):
    """Creates an account with the role Customer. A posted role is ignored."""

    class Meta:
        model = User
        fields = ("email", "name")
        field_classes: dict[str, Any] = {}
        error_messages = {"email": {"unique": TAKEN}}
        widgets = {
            "email": forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"}),
            "name": forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
        }


class UserCreationForm(BaseUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("email", "name", "user_type", "is_staff", "is_superuser")
        field_classes: dict[str, Any] = {}


class UserChangeForm(BaseUserChangeForm[User]):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, Any] = {}


class ResetForm(PasswordResetForm):
    """Asks for the e-mail address of an account."""

    email = LoginEmailInput(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"}),
    )

    def send_mail(self, *mail: Any, **options: Any) -> None:
        """Send the mail in a thread, so that the response time does not show if an account exists.

        If a mail cannot be sent, Django logs the error.
        """
        mail_thread.submit(super().send_mail, *mail, **options)
