"""Addresses of people's pages."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from users.views import HomeView, LoginView

urlpatterns: list[URLPattern] = [
    path("", HomeView.as_view(), name="home"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
