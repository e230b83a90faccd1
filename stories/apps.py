"""The stories application."""

from django.apps import AppConfig


class StoriesConfig(AppConfig):
    """Stories and where they come from."""

    name = "stories"
