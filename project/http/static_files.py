"""Collects static files again only if their sources have changed."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

_IMPORTS = (r'(?P<matched>from "(?P<url>\./[a-z_]+\.js)";)', 'from "%(url)s";')


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Static files whose names contain a hash, also where JavaScript modules import each other.

    Django's own setting for imports also changes the examples in comments of other packages.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("cdc/feed/*.js", (_IMPORTS,)))


def collect_static_files() -> bool:
    """Fill `STATIC_ROOT` and return True.

    If the sources have not changed since the last run, do nothing and return False.
    """
    state = Path(settings.STATIC_ROOT) / ".state"
    wanted = _digest()
    if state.exists() and state.read_text() == wanted:
        return False
    # The state file is removed first, so that an interrupted run is repeated.
    state.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    state.write_text(wanted)
    return True


def _digest() -> str:
    """Return a digest of the path, size and modification time of every source file."""
    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
