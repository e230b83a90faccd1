"""Logging in and the front door."""

from django.contrib.auth.views import LoginView as BaseLoginView
from django.views.generic import TemplateView

from users.forms import LoginForm


class LoginView(BaseLoginView):
    """Asks for e-mail and password, then goes to `next` or home.

    Somebody who is logged in is not sent on: `next` may be a page that they may not see, which
    would send them back here.
    """

    form_class = LoginForm
    template_name = "users/login.html"


class HomeView(TemplateView):
    """Says who is logged in and where they can go."""

    template_name = "users/home.html"
