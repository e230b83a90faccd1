"""`cdc` in a project that has only the settings that docs/capture.md lists."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow
PROJECT = """
import importlib
import pkgutil
import sys

sys.modules["django_stubs_ext"] = None  # a project may not have it

import django
from django.conf import settings
from django.core.management import call_command

from cdc.conf import CdcSettings

others = ["django.contrib.auth", "django.contrib.contenttypes"]
middleware, templates = [], []
if "admin" in sys.argv:
    others += [f"django.contrib.{name}" for name in ("admin", "messages", "sessions")]
    middleware = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "cdc.middleware.ActorMiddleware",
    ]
    processors = ["auth.context_processors.auth", "messages.context_processors.messages"]
    templates = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    *(f"django.contrib.{name}" for name in processors),
                ]
            },
        }
    ]

settings.configure(
    SECRET_KEY="x",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ":memory:",
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    },
    INSTALLED_APPS=[*others, "cdc", "cdc.canary"],
    MIDDLEWARE=middleware,
    TEMPLATES=templates,
    CDC=CdcSettings(
        topic="t",
        group="g",
        mongodb_database="m",
        collections=("c",),
        connector="s",
        client_name="s",
        history_collection="h",
        positions_collection="p",
        canary_collection="k",
    ),
)
django.setup()

import cdc

public = ["cdc.api", "cdc.commands", "cdc.operations"]
every = [module.name for module in pkgutil.walk_packages(cdc.__path__, "cdc.")]
for name in every if "admin" in sys.argv else public:
    importlib.import_module(name)

from django.db import connection, models

from cdc.api import Capture, CapturedModel, register
from cdc.fields import ExactCharField, MillisecondDateTimeField
from cdc.models import OutboxRecord


class Order(CapturedModel):
    number = ExactCharField(max_length=9, primary_key=True)
    at = MillisecondDateTimeField(null=True)

    class Meta(CapturedModel.Meta):
        app_label = "canary"


register(Capture(model=Order))
call_command("check", fail_level="ERROR")
call_command("migrate", verbosity=0)
with connection.schema_editor() as editor:
    editor.create_model(Order)
Order.objects.create(number="1")
print(OutboxRecord.objects.get().key)
"""


@pytest.mark.parametrize("argument", ["admin", "without"])
def test_a_project_without_this_one_s_settings_can_capture(argument: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROJECT, argument],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout.splitlines()[-1:] == ['{"number":"1"}'], done.stderr[-2000:]
