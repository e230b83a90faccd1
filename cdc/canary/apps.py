"""The canary's application; its models must be loaded after the models of `cdc`."""

from django.apps import AppConfig


class CanaryConfig(AppConfig):
    name = "cdc.canary"
    label = "canary"
    verbose_name = "Canary"
    default_auto_field = "django.db.models.BigAutoField"
