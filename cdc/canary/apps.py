"""The canary's own application: its models require that the models of `cdc` are loaded first."""

from django.apps import AppConfig


class CanaryConfig(AppConfig):
    name = "cdc.canary"
    label = "canary"
    verbose_name = "Canary"
    default_auto_field = "django.db.models.BigAutoField"
