"""The canary as a Django application: its models need the feed's to be there."""

from django.apps import AppConfig


class CanaryConfig(AppConfig):
    """The feed's canary."""

    name = "cdc.canary"
    label = "canary"
    verbose_name = "Canary"
    default_auto_field = "django.db.models.BigAutoField"
