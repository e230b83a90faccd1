"""Forms about people: logging in, and accounts in the admin."""

from typing import Any

from django import forms
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
)
from django.contrib.auth.forms import UserChangeForm as BaseUserChangeForm

from users.models import User


class LoginForm(AuthenticationForm):
    """E-mail and password; the field keeps Django's name, `username`."""

    username = forms.EmailField(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    error_messages = {
        "invalid_login": "No account has this e-mail address and password. Check both: "
        "capitals count in the password.",
        "inactive": "This account is closed. Ask an admin to open it again.",
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
