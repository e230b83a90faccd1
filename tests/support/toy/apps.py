"""The application's configuration."""

from django.apps import AppConfig


class ToyConfig(AppConfig):
    name = "tests.support.toy"
    label = "toy"
