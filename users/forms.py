"""Forms for registration, login, password reset, and accounts in the admin."""

from collections.abc import Iterator
from itertools import groupby
from threading import Lock
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordChangeForm,
    PasswordResetForm,
    ReadOnlyPasswordHashField,
    ReadOnlyPasswordHashWidget,
    SetPasswordForm,
    SetPasswordMixin,
)
from django.contrib.auth.forms import UserChangeForm as BaseUserChangeForm
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.forms.models import ModelChoiceIterator, ModelMultipleChoiceField
from django.http import HttpRequest

from cdc.errors import Refused
from users.fields import LoginEmailInput
from users.mail import host_in_links, mail_thread
from users.models import DELETED, User

_LOGINS = tuple(Lock() for _ in range(64))
"""Within a process, logins to one account take the same lock."""
_KEY_DIGITS = 18
"""SQLite cannot compare every key with more digits."""
DISABLED = "This account is disabled. Ask an admin to enable it."
RULES = (
    "At least 12 characters, not only digits. Not a common password, and not similar to your name "
    "or e-mail address."
)
_WITHOUT = (
    "If you choose Disabled, the password is lost. No one can then log in to the account or reset "
    "its password."
)
TAKEN = "An account with this e-mail address already exists. Log in, or reset your password."


class LoginForm(AuthenticationForm):
    """Asks for an e-mail address and a password. The field of the address is named `username`."""

    username = LoginEmailInput(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )

    error_messages = {
        "invalid_login": "Wrong e-mail address or password. Passwords are case-sensitive.",
        "inactive": DISABLED,
    }

    def clean(self) -> dict[str, Any]:
        """Check the passwords for one account one at a time in each process.

        Otherwise, simultaneous attempts would all be checked before the first failures count
        towards the limit.
        """
        with _LOGINS[hash(self.cleaned_data.get("username")) % len(_LOGINS)]:
            return super().clean()


class ErrorsAtPassword(SetPasswordMixin):  # type: ignore[type-arg]  # only in the stubs
    """Shows the rules and errors of a new password at its field, not at the confirmation field."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label_suffix = ""
        helps = {"password1": RULES, "password2": ""}
        for name in self.fields:
            field = self.fields[name]
            field.help_text = helps.get(name.removeprefix("new_"), field.help_text)

    def validate_password_for_user(self, user: Any, *_: str, **__: str) -> None:
        (first,) = {"password1", "new_password1"} & self.fields.keys()
        super().validate_password_for_user(user, password_field_name=first)


class RegistrationForm(ErrorsAtPassword, BaseUserCreationForm[User]):
    """Creates an account with the role Customer. A posted role is ignored."""

    class Meta:
        model = User
        fields = ("email", "name")
        field_classes: dict[str, Any] = {}
        help_texts = {"name": "Shown next to the stories that you submit."}
        error_messages = {"email": {"unique": TAKEN}}
        widgets = {
            "email": forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"}),
            "name": forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
        }


class UserCreationForm(ErrorsAtPassword, BaseUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("email", "name", "user_type", "is_staff", "is_superuser")
        field_classes: dict[str, Any] = {}


def post_initial(form: Any, names: set[str]) -> None:
    """Let a form also post the values that it showed in these fields.

    Therefore, changes that others make while the form is open do not count as changes by its user.
    If these values are not posted, for example by a script, the form is compared with the database.
    """
    for name in names & form.fields.keys():
        posted = form.add_initial_prefix(name)
        is_posted = posted in form.data or f"{posted}_0" in form.data
        form.fields[name].show_hidden_initial = is_posted or not form.is_bound
        if isinstance(form.fields[name], ModelMultipleChoiceField):
            form.fields[name].hidden_widget = ShownKeys


class ShownKeys(forms.HiddenInput):
    """Posts, in one input, the keys that a form showed; the input exists even without keys."""

    def format_value(self, value: Any) -> str:
        return ",".join(map(str, value or ()))

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        keys = data.get(name, "").split(",")
        return [key for key in keys if key.isdecimal() and len(key) <= _KEY_DIGITS]


class OldFormMixin(forms.ModelForm[Any]):
    """A form of the admin that writes only what its user edited, however old the form is.

    The form also posts the values that it showed. If the account is disabled, or loses its role or
    a group, while the form is open, saving the form does not undo this.
    """

    single: ClassVar[set[str]]
    """The fields with one value that others may change while the form is open."""
    many: ClassVar[set[str]]
    """The fields with a set of rows. Only the rows that the user added or removed are written."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label_suffix = ""
        if self.instance.pk:
            post_initial(self, self.single | self.many)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.instance.pk:
            return cleaned
        kept = (self.single | self.many) - set(self.changed_data)
        edited = {name: value for name, value in cleaned.items() if name not in kept}
        for name in self.many & edited.keys():
            edited[name] = self._merged(name, {row.pk for row in edited[name]})
        return edited

    def _merged(self, name: str, chosen: set[int]) -> set[int]:
        """Return the keys of the current rows, with the user's additions and removals applied."""
        if not self.fields[name].show_hidden_initial:
            return chosen
        posted = ShownKeys().value_from_datadict(self.data, None, self.add_initial_prefix(name))
        current = set(getattr(self.instance, name).values_list("pk", flat=True))
        shown = {key for key in current | chosen if str(key) in posted}
        return (current - shown) | (chosen - shown) | (current & chosen)


class PasswordState(ReadOnlyPasswordHashWidget):
    """Shows whether an account has a password, without the parameters of its hash."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        # The parameters have values. Without a password, the summary is a sentence without a value.
        if all("value" in each for each in context["summary"]):
            context["summary"] = [{"label": "Password is set."}]
        return context


class UserChangeForm(OldFormMixin, BaseUserChangeForm[User]):
    """Edits an account in the admin."""

    password = ReadOnlyPasswordHashField(
        label="Password",
        widget=PasswordState,
        help_text="Only a hash of the password is stored, so the password cannot be shown.",
    )

    single: ClassVar = {"email", "name", "user_type", "is_active", "is_staff", "is_superuser"}
    many: ClassVar = {"groups", "user_permissions"}

    class Meta(BaseUserChangeForm.Meta):
        model = User
        field_classes: ClassVar[dict[str, Any]] = {}


class GroupForm(OldFormMixin):
    """Edits a group in the admin."""

    single: ClassVar = {"name"}
    many: ClassVar = {"permissions"}


class OwnPasswordForm(ErrorsAtPassword, SetPasswordForm):  # type: ignore[type-arg]  # as above
    """Sets the user's own password, unless the sessions of the account have just been ended."""

    changed_meanwhile: str
    """What the user can do if the account was changed since it was read."""

    def save(self, commit: bool = True) -> Any:
        """Save the password. Raise Refused if the account was changed, disabled or deleted.

        Hashing is slow, and others may change the account meanwhile. Therefore the account is read
        again, and stays locked until the password is saved.
        """
        read = self.user.get_session_auth_hash()
        super().save(commit=False)
        if commit:
            with transaction.atomic():
                self._require_same(self.user.pk, read)
                self.user.save()
        return self.user

    def _require_same(self, key: int, read: str) -> None:
        stored = User.objects.select_for_update().filter(pk=key).first()
        if stored is None:
            raise Refused(DELETED)
        if not stored.is_active:
            raise Refused(DISABLED)
        if stored.get_session_auth_hash() != read:
            raise Refused(f"This account was changed in the meantime. {self.changed_meanwhile}")


class NewPasswordForm(OwnPasswordForm):
    """Asks for a new password, after the user has followed a reset link."""

    changed_meanwhile = "Request a new link."


class ChangeForm(OwnPasswordForm, PasswordChangeForm):
    """Asks for the old password and a new one."""

    changed_meanwhile = "Log in again."


class AdminPasswordForm(
    ErrorsAtPassword,
    AdminPasswordChangeForm,  # type: ignore[type-arg]  # as above
):
    """Sets the password of another account in the admin."""

    usable_password_help_text = _WITHOUT


class ResetForm(PasswordResetForm):
    """Asks for the e-mail address of an account."""

    email = LoginEmailInput(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"}),
    )

    def save(self, *, request: HttpRequest, **options: Any) -> None:  # type: ignore[override]
        """Send the e-mail, with links to this site, whatever port the request names."""
        super().save(**options, request=request, domain_override=host_in_links(request))

    def send_mail(self, *mail: Any, **options: Any) -> None:
        """Send the e-mail in a thread, to hide from the response time whether an account exists.

        If the e-mail cannot be sent, Django logs the error.
        """
        mail_thread.submit(super().send_mail, *mail, **options)


class PermissionChoices(ModelChoiceIterator[Permission]):
    """Yields the permissions, grouped by app and model."""

    def __iter__(self) -> Iterator[Any]:
        # The permissions are ordered by their content type.
        for kind, permissions in groupby(self.queryset, lambda each: each.content_type):
            yield _name(kind), [self.choice(permission) for permission in permissions]


class PermissionField(ModelMultipleChoiceField[Permission]):
    iterator = PermissionChoices

    def label_from_instance(self, obj: Permission) -> str:
        return obj.name


def _name(kind: ContentType) -> str:
    model = kind.model_class()
    name = model._meta.verbose_name_plural if model else kind.model
    return f"{kind.app_labeled_name.partition(' | ')[0]}: {name}"
