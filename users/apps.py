"""The users application."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """People and their roles."""

    name = "users"
