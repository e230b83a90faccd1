"""Collects static files if their sources have changed, and bundles some of the files."""

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

BUNDLES = (
    *("project/site.css", "project/admin.css", "cdc/feed/main.js"),
    *("admin/css/base.css", "admin/css/forms.css"),
)
"""The files in which each import is replaced with the content of the imported file."""
_ADMIN = "admin/js"
SCRIPTS = {
    "project/admin_base.js": (
        *(f"{_ADMIN}/vendor/jquery/jquery.min.js", f"{_ADMIN}/jquery.init.js"),
        *(f"{_ADMIN}/core.js", f"{_ADMIN}/admin/RelatedObjectLookups.js", f"{_ADMIN}/actions.js"),
    ),
}
"""The admin's scripts that are joined into each bundle. These bundles have no source file."""
_SHEET = re.compile(r"^@import (?:url\()?[\"'](?P<path>[^\"']+)[\"']\)?;$", re.MULTILINE)
_DRAWING = re.compile(r"url\([\"']?(?P<path>[^\"':)]+\.svg)[\"']?\)")
# The address of Bootstrap's source map is wrong in a bundle. Bootstrap's rule for elements after a
# legend would make browsers compute the styles of a whole list again for each new row.
_DROPPED = re.compile(r"/\*# sourceMappingURL=[^*]*\*/|legend\+\*\{clear:left\}")
_MODULE = re.compile(r'^import (?P<names>\{[^}]*\}) from "\./(?P<stem>\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function) (?P<name>\w+))", re.MULTILINE)
_OTHER_IMPORT_OR_EXPORT = re.compile(r"^(?:import|export)\b(?!\().*", re.MULTILINE)


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Static files whose names contain a hash. They include bundles, so that pages need few files.

    While `DEBUG` is on, browsers get the sources and load imported files themselves.
    """

    def post_process(self, paths: dict[str, Any], *args: Any, **options: Any) -> Iterator[Any]:
        """Store the files under their final names; a bundle replaces the file of the same name."""

        def read(name: str) -> str:
            storage, path = paths[name]
            with storage.open(path) as file:
                return str(file.read().decode())

        bundles = InMemoryStorage()
        sources = dict(paths)
        for name in filter(paths.__contains__, BUNDLES):
            bundles.save(name, ContentFile(bundle(name, read).encode()))
            sources[name] = (bundles, name)
        for name, scripts in SCRIPTS.items():
            if paths.keys() >= set(scripts):
                # WhiteNoise also compresses the file under its original name.
                self.delete(name)
                self.save(name, ContentFile("\n;\n".join(map(read, scripts)).encode()))
                sources[name] = (self, name)
        yield from super().post_process(sources, *args, **options)


def bundle(name: str, read: Callable[[str], str]) -> str:
    """Return the content of a style sheet or JavaScript module, and of everything it imports."""
    if name.endswith(".css"):
        return _style_sheet(name, read)
    modules: dict[str, str] = {}
    _add_module(name, read, modules)
    return "".join(modules.values())


def _style_sheet(name: str, read: Callable[[str], str]) -> str:
    def imported(found: re.Match[str]) -> str:
        return _style_sheet(beside(found["path"]), read)

    def drawn(found: re.Match[str]) -> str:
        return f"url(data:image/svg+xml,{quote(read(beside(found['path'])), safe='')})"

    def beside(path: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))

    return _DROPPED.sub("", _SHEET.sub(imported, _DRAWING.sub(drawn, read(name))))


def _add_module(name: str, read: Callable[[str], str], modules: dict[str, str]) -> None:
    """Add a module after those that it imports; each becomes a function with its own scope."""
    source = read(name)
    for found in _MODULE.finditer(source):
        path = posixpath.join(posixpath.dirname(name), f"{found['stem']}.js")
        if path not in modules:
            _add_module(path, read, modules)
    exported = ", ".join(found["name"] for found in _EXPORT.finditer(source))
    body = _EXPORT.sub("", _MODULE.sub(r"const \g<names> = \g<stem>_js;", source))
    unknown = _OTHER_IMPORT_OR_EXPORT.search(body)
    if unknown:
        raise ValueError(f"{name} cannot be bundled because of {unknown[0]!r}.")
    stem = posixpath.basename(name).removesuffix(".js")
    modules[name] = f"const {stem}_js = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


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
    """Return a digest of the path, size and modification time of every source file.

    The digest also covers this module, because the bundles depend on it.
    """
    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    digest.update(Path(__file__).read_bytes())
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
