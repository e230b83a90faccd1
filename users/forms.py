"""Forms about people: registering, logging in, and accounts in the admin."""

from typing import Any

from django import forms
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordResetForm,
)
from django.contrib.auth.forms import UserChangeForm as BaseUserChangeForm

from users.fields import login_form
from users.models import User
from users.password_reset import post_office

TAKEN = "An account with this e-mail address exists. Log in, or set a new password."


class LoginForm(AuthenticationForm):
    """E-mail and password; the field keeps Django's name, `username`."""

    username = forms.EmailField(
        label="E-mail address",
        # What the column holds: the record of failures is no longer either.
        max_length=254,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    error_messages = {
        "invalid_login": "No account has this e-mail address and password. Check both: "
        "capitals count in the password.",
        "inactive": "This account is closed. Ask an admin to open it again.",
    }


class RegistrationForm(BaseUserCreationForm[User]):
    """A Customer's account; whatever else is posted is not read."""

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
    """A new account with its password, twice."""

    class Meta:
        model = User
        fields = ("email", "name", "user_type", "is_staff", "is_superuser")
        field_classes: dict[str, Any] = {}


class UserChangeForm(BaseUserChangeForm[User]):
    """An account; its password is changed on a page of its own."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, Any] = {}


class ResetForm(PasswordResetForm):
    """Asks for the address of an account, in any case."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"}),
    )

    def clean_email(self) -> str:
        """Return the address as accounts have it.

        Django looks it up whatever its case, which MySQL does not do in a column of bytes.
        """
        email: str = login_form(self.cleaned_data["email"])
        return email

    def send_mail(self, *mail: Any, **options: Any) -> None:
        """Leave the mail to the post office: who has an account waits no longer than who has none.

        A mail that cannot be sent is logged.
        """
        post_office.submit(super().send_mail, *mail, **options)
