"""Registration, login and passwords."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.generic import FormView

from cdc.pages import RefusalMixin, refuse_form
from users.client_address import client_network
from users.fields import LONGEST, normalized
from users.forms import (
    TAKEN,
    ChangeForm,
    LoginForm,
    NewPasswordForm,
    RegistrationForm,
    ResetForm,
)
from users.limits import PASSWORD_CHANGE, REGISTRATION, RESET, Reached
from users.models import User
from users.roles import home_of

_BACKEND = "django.contrib.auth.backends.ModelBackend"
_TOO_MANY = {
    Reached.NETWORK: "Too many registrations from your network. Wait an hour.",
    Reached.ACCOUNT: "Too many registrations with this e-mail address. Wait an hour.",
}


class LoginView(RefusalMixin, auth.LoginView):
    """Logs a user in, then redirects to the page in `next`, or to the user's home page.

    A user who is already logged in sees the form, too. The admin redirects users to this
    page if they may not open the admin. If this page redirected them back, the redirects would
    never end.
    """

    form_class = LoginForm
    template_name = "users/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            return super().form_valid(form)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add whether the user is logged in, but may not open the page in `next`."""
        found = super().get_context_data(**context)
        return {**found, "is_refused": _is_refused(self.request, self.get_redirect_url())}

    def get_default_redirect_url(self) -> str:
        return _home(self.request)


def _home(request: HttpRequest) -> str:
    return home_of(request.user) if isinstance(request.user, User) else reverse("home")


def _is_refused(request: HttpRequest, page: str) -> bool:
    """Return whether the admin has redirected a user here. Other pages respond with 403."""
    is_admin_page = urlsplit(page).path.startswith(reverse("admin:index"))
    return is_admin_page and not admin.site.has_permission(request)


class LogoutView(auth.LogoutView):
    """Logs a user out. Only POST is accepted, so a link on another site cannot log a user out."""

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **options: Any
    ) -> HttpResponse:
        refusal = super().http_method_not_allowed(request, *args, **options)
        page = render(request, "405.html", status=refusal.status_code)
        page.headers["Allow"] = refusal.headers["Allow"]
        return page


class LimitedMixin:
    """A `FormView` that processes only as many forms as a limit admits.

    Place this class after RefusalMixin, which shows the form again if the database refuses to
    record the attempt.
    """

    def refusal(self) -> str:
        """Record the attempt. If a limit is reached, return the message for the page."""
        raise NotImplementedError

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        form = self.get_form()  # type: ignore[attr-defined]  # of the form view
        if not (why := self.refusal()):
            answer: HttpResponse = super().post(request, *args, **options)  # type: ignore[misc]
            return answer
        refuse_form(form, why)
        context = self.get_context_data(form=form)  # type: ignore[attr-defined]
        status = HTTPStatus.TOO_MANY_REQUESTS
        page: HttpResponse = self.render_to_response(context, status=status)  # type: ignore[attr-defined]
        return page


class RegisterView(RefusalMixin, LimitedMixin, auth.RedirectURLMixin, FormView[RegistrationForm]):
    """Creates an account with the role Customer and logs the new user in.

    Then redirects to the page in `next` if it is a page about stories. Most other pages are for
    other roles, so the user is sent to the home page instead.
    """

    form_class = RegistrationForm
    template_name = "users/form.html"
    extra_context = {
        "title": "Register",
        "lead": "With an account, you can read stories, submit your own, and dig the stories that "
        "you like.",
        "button": "Register",
        "other": "login",
        "before_other": "Already have an account?",
    }

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **options)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the page in `next`, if it is a page of this site."""
        return super().get_context_data(**context, next=self.get_redirect_url())

    def get_success_url(self) -> str:
        page = self.get_redirect_url()
        about_stories = urlsplit(page).path.startswith(reverse("stories"))
        return page if about_stories else _home(self.request)

    def refusal(self) -> str:
        email = str(normalized(self.request.POST.get("email", "")))[:LONGEST].replace("\0", "")
        reached = REGISTRATION.reached(email, client_network(self.request))
        return _TOO_MANY[reached] if reached else ""

    def form_valid(self, form: RegistrationForm) -> HttpResponse:
        """Create the account. If another request has just created it, show the usual form error."""
        try:
            with transaction.atomic():
                user = form.save()
                login(self.request, user, backend=_BACKEND)
        except IntegrityError:
            form.add_error("email", TAKEN)
            return self.form_invalid(form)
        messages.success(self.request, f"Welcome, {user.get_short_name()}. Your account is ready.")
        return HttpResponseRedirect(self.get_success_url())


class PasswordChangeView(RefusalMixin, LimitedMixin, auth.PasswordChangeView):
    """Changes the user's own password and ends the user's other sessions.

    Someone who stole a session cannot find out the password: only ten guesses of the old password
    per hour are allowed.
    """

    form_class = ChangeForm
    template_name = "users/password_change.html"
    success_url = reverse_lazy("home")
    extra_context = {
        "title": "Change your password",
        "lead": "You will be logged out on all other devices.",
        "button": "Change password",
    }

    def refusal(self) -> str:
        is_admitted = PASSWORD_CHANGE.admit(self.request.user.get_username(), "")
        return "" if is_admitted else "Too many attempts. Wait an hour, or reset your password."

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            done = super().form_valid(form)
        messages.success(self.request, "Your password was changed.")
        return done


class PasswordResetView(RefusalMixin, auth.PasswordResetView):
    """E-mails a link to reset a password. The response does not show whether an account exists."""

    form_class = ResetForm
    template_name = "users/form.html"
    email_template_name = "users/password_reset_email.txt"
    subject_template_name = "users/password_reset_subject.txt"
    success_url = reverse_lazy("login")
    extra_context = {
        "title": "Reset your password",
        "lead": "We will e-mail you a link to choose a new password.",
        "button": "Send link",
        "other": "login",
    }

    def form_valid(self, form: Any) -> HttpResponse:
        """Send the e-mail unless a limit is reached. The message is the same in both cases."""
        messages.info(
            self.request,
            "If an account with this e-mail address exists, we send a link to the address. The "
            "link works once and expires after three days. We send at most "
            f"{RESET.per_account} links per hour.",
        )
        if RESET.admit(form.cleaned_data["email"], client_network(self.request)):
            return super().form_valid(form)
        return HttpResponseRedirect(self.get_success_url())


class PasswordResetConfirmView(RefusalMixin, auth.PasswordResetConfirmView):
    """Sets a new password with the e-mailed link, and ends all sessions of the account."""

    form_class = NewPasswordForm
    template_name = "users/form.html"
    success_url = reverse_lazy("login")
    extra_context = {"button": "Set password", "other": "login"}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        lead = (
            ""
            if self.validlink
            else "This link was already used or has expired. Request a new one."
        )
        return {**found, "title": "Choose a new password", "lead": lead}

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            done = super().form_valid(form)
        messages.success(self.request, "Your password was reset. You can now log in.")
        return done
