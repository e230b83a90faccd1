"""The users application."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"
