"""The Django application. To register captures, it imports the module `cdc` of every app."""

import os

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class CdcConfig(AppConfig):
    name = "cdc"
    verbose_name = "Change feed"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cdc import checks, schema_check  # noqa: F401, PLC0415
        from cdc.conf import cdc_settings  # noqa: PLC0415
        from cdc.outbox import epoch  # noqa: PLC0415
        from cdc.runtime import database, trace_export  # noqa: PLC0415

        autodiscover_modules("cdc")
        post_migrate.connect(epoch.ensure_epoch, sender=self)
        connection_created.connect(database.remember_file)
        trace_export.export_traces(os.environ, cdc_settings().client_name)
