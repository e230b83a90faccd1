"""The ASGI application. It does not start if a setting is invalid or the secret key is missing."""

import os
import sys
import warnings

from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler

from cdc.errors import Misconfigured
from project.config.secret_key import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
# WhiteNoise reads static files synchronously. This is acceptable, because the files are small and
# browsers cache them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")


def _application() -> ASGIHandler:
    """Return the application. If a setting is invalid, print one sentence and exit with code 2."""
    try:
        require_secret_key()
        return get_asgi_application()
    except Misconfigured as error:
        sys.stderr.write(f"storyfeed: {error}\n")
        raise SystemExit(2) from None


application = _application()
