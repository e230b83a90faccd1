"""The ASGI application. It does not start if a setting is invalid or the secret key is missing."""

import os
import warnings

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import reverse

from cdc.errors import Misconfigured
from cdc.feed.detached import DetachedStreams
from project.config.databases import set_query_timeouts
from project.config.logs import report_failure
from project.config.secret_key import require_secret_key
from project.http.admission import Admission
from project.http.descriptors import most_streams

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
# WhiteNoise reads static files synchronously. This is acceptable, because the files are small and
# browsers cache them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")


def _application() -> Admission:
    """Return the application. If a setting is invalid, print one sentence and exit with code 2."""
    try:
        require_secret_key()
        application = DetachedStreams(get_asgi_application())
        set_query_timeouts()
        return Admission(
            application,
            pages=settings.ENVIRONMENT.database_connections,
            stream_path=reverse("feed_stream"),
            streams=most_streams(),
        )
    except Misconfigured as error:
        raise SystemExit(report_failure(str(error), 2)) from None


application = _application()
