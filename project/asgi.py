"""The ASGI application; it refuses to start on a wrong setting or without a secret key."""

import os
import sys
import warnings

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler

from cdc.errors import Misconfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
# Static files are read whole before they are sent: they are small, and browsers keep them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")


def _application() -> ASGIHandler:
    """Return the application; end the process with one sentence and code 2 when it cannot be."""
    try:
        if not settings.ENVIRONMENT.secret_key:
            raise Misconfigured(
                "DJANGO_SECRET_KEY is empty: give a long random text, or run `manage.py up`."
            )
        return get_asgi_application()
    except Misconfigured as error:
        sys.stderr.write(f"storyfeed: {error}\n")
        raise SystemExit(2) from None


application = _application()
