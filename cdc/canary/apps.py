"""The canary is an application of its own: its models need those of `cdc` to be loaded."""

from django.apps import AppConfig


class CanaryConfig(AppConfig):
    name = "cdc.canary"
    label = "canary"
    verbose_name = "Canary"
    default_auto_field = "django.db.models.BigAutoField"
