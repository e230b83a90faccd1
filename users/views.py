"""Registering, logging in, passwords and the front door."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.generic import FormView, TemplateView

from users.client_address import client_address
from users.forms import TAKEN, LoginForm, RegistrationForm, ResetForm
from users.models import User
from users.password_reset import MOST_FOR_ACCOUNT, may_ask
from users.roles import home_of

_BACKEND = "django.contrib.auth.backends.ModelBackend"


class HomeView(TemplateView):
    """The front door: says what this is, or leads people to their own page."""

    template_name = "users/front.html"

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Lead on who is logged in."""
        if isinstance(request.user, User):
            return HttpResponseRedirect(home_of(request.user))
        return super().dispatch(request, *args, **options)


class LoginView(auth.LoginView):
    """Asks for e-mail and password, then goes to `next` within the site or to the person's page.

    Somebody who is logged in is not sent on: `next` may be a page that they may not see, which
    would send them back here.
    """

    form_class = LoginForm
    template_name = "users/login.html"

    def get_default_redirect_url(self) -> str:
        """Return the page of who has just logged in."""
        user = self.request.user
        return home_of(user) if isinstance(user, User) else super().get_default_redirect_url()


class LogoutView(auth.LogoutView):
    """Logs out by POST only: a link from elsewhere must not do it."""

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **options: Any
    ) -> HttpResponse:
        """Say so to who opens the address."""
        refusal = super().http_method_not_allowed(request, *args, **options)
        page = render(request, "405.html", status=refusal.status_code)
        page.headers["Allow"] = refusal.headers["Allow"]
        return page


class RegisterView(FormView[RegistrationForm]):
    """Makes a Customer, logs them in and greets them."""

    form_class = RegistrationForm
    template_name = "users/form.html"
    extra_context = {
        "title": "Register",
        "lead": "Everybody who registers is a Customer.",
        "button": "Register",
        "other": "login",
    }

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Lead on who has an account already."""
        if isinstance(request.user, User):
            return HttpResponseRedirect(home_of(request.user))
        return super().dispatch(request, *args, **options)

    def form_valid(self, form: RegistrationForm) -> HttpResponse:
        """Make the account; of two at the same moment the second gets the usual answer."""
        try:
            with transaction.atomic():
                user = form.save()
        except IntegrityError:
            form.add_error("email", TAKEN)
            return self.form_invalid(form)
        login(self.request, user, backend=_BACKEND)
        messages.success(self.request, f"Welcome, {user.get_short_name()}. Your account is ready.")
        return HttpResponseRedirect(home_of(user))


class PasswordChangeView(auth.PasswordChangeView):
    """Changes one's own password, which ends one's other sessions."""

    template_name = "users/form.html"
    success_url = reverse_lazy("home")
    extra_context = {
        "title": "Change your password",
        "lead": "Wherever else you are logged in, you will be logged out.",
        "button": "Change the password",
    }

    def form_valid(self, form: Any) -> HttpResponse:
        """Change it and say so."""
        messages.success(self.request, "Your password was changed.")
        return super().form_valid(form)


class PasswordResetView(auth.PasswordResetView):
    """Mails a link to who has an account; the answer is the same for who has none."""

    form_class = ResetForm
    template_name = "users/form.html"
    email_template_name = "users/password_reset_email.txt"
    subject_template_name = "users/password_reset_subject.txt"
    success_url = reverse_lazy("login")
    extra_context = {
        "title": "Set a new password",
        "lead": "We mail you a link, with which you choose a new password.",
        "button": "Mail the link",
        "other": "login",
    }

    def form_valid(self, form: Any) -> HttpResponse:
        """Mail it, unless there were too many, and say the same to all."""
        messages.info(
            self.request,
            "If an account has this e-mail address, a link is on its way to it. "
            f"It works once, for three days. We mail {MOST_FOR_ACCOUNT} links an hour at most.",
        )
        if may_ask(form.cleaned_data["email"], client_address(self.request)):
            return super().form_valid(form)
        return HttpResponseRedirect(self.get_success_url())


class PasswordResetConfirmView(auth.PasswordResetConfirmView):
    """Takes the new password from who holds the mailed link; the account's sessions end."""

    template_name = "users/form.html"
    success_url = reverse_lazy("login")
    extra_context = {"button": "Set the password", "other": "login"}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Say when the link is no good any more."""
        found = super().get_context_data(**context)
        lead = (
            ""
            if self.validlink
            else "This link was used already, or is too old. Ask for a new one."
        )
        return {**found, "title": "Choose a new password", "lead": lead}

    def form_valid(self, form: Any) -> HttpResponse:
        """Set it and say so."""
        messages.success(self.request, "Your new password is set. Log in with it.")
        return super().form_valid(form)
