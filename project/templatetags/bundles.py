"""Replaces the scripts of Django's admin with the bundles that `collectstatic` has built."""

from typing import Any

from django import template
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.forms import Media

from project.http.static_files import SCRIPTS, StaticFiles

register = template.Library()

UNUSED = frozenset(
    f"admin/js/{name}.js" for name in ("urlify", "prepopulate", "vendor/xregexp/xregexp.min")
)
"""The scripts for `prepopulated_fields`, which no `ModelAdmin` of this site uses.

No `ModelAdmin` may use `autocomplete_fields`: its script would have to run in the middle of a
bundle.
"""


@register.filter
def bundled(media: Any) -> Any:
    """Return media with bundles in place of single scripts, if the bundles have been collected."""
    if settings.DEBUG or not isinstance(staticfiles_storage, StaticFiles):
        return media
    # A Media object has no public list of its files.
    return Media(css=media._css, js=_bundled(media._js))  # noqa: SLF001


def _bundled(scripts: list[str]) -> list[str]:
    complete = [bundle for bundle, parts in SCRIPTS.items() if set(parts) <= set(scripts)]
    contained = UNUSED.union(*(SCRIPTS[bundle] for bundle in complete))
    return [*complete, *(each for each in scripts if each not in contained)]
