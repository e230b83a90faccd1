"""The search for stories."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from stories.listing.expressions import JSONName, Site, Text
from stories.models import Story
from users.models import User

_LONGEST_SEARCH = 100


def search_words(text: str) -> str:
    """Return `text` without NUL characters and surrounding spaces, cut to 100 characters."""
    return text.replace("\0", "").strip()[:_LONGEST_SEARCH]


def search(stories: QuerySet[Story], words: str, topics: Iterable[str] = ()) -> QuerySet[Story]:
    """Return the stories that contain each of the words.

    A word is found in the title, the description, the topic, the site and the name of the
    submitter. A word with a slash is found in the whole address of the story. `topics` are the
    topics that are searched.
    """
    stories = stories.alias(
        site=Site("link"),
        topic_name=JSONName("topic"),
        submitter=JSONName("user"),
        submitter_json=Text("user"),
    )
    for word in words.split():
        stories = stories.filter(_contains(word, topics))
    return stories


def _contains(word: str, topics: Iterable[str]) -> Q:
    # The database evaluates the conditions in this order, so the slow ones are last.
    found = Q(title__icontains=word) | Q(description__icontains=word)
    address = Q(link__icontains=word)
    # The site is a part of the address, and reading the address alone is faster.
    found |= address if "/" in word else address & Q(site__icontains=word)
    found |= Q(submitted_by__in=User.objects.filter(name__icontains=word).values("pk"))
    if matching := [name for name in topics if word.casefold() in name.casefold()]:
        found |= Q(topic_name__in=matching)
    return found | _submitter(word)


def _submitter(word: str) -> Q:
    named = Q(submitter__icontains=word)
    # JSON contains such a word unchanged. This check is much faster than reading the JSON.
    return Q(submitter_json__icontains=word) & named if word.isascii() and word.isalnum() else named
