"""Stories of about 1 KB, and a unique number for each write."""

import itertools
from datetime import UTC, datetime

from stories.models import Story

marks = itertools.count(1)
"""Each write sets `diggs` to the next number. The number identifies the write in MongoDB."""
_LINK = "http://example.org/a/typical/address/of/a/story"


def new_story(mark: int | None = None) -> Story:
    """Return an unsaved story."""
    return Story(
        title="A ferry captain who learnt to play the cello",
        description="x" * 500,
        href=_LINK,
        link=_LINK,
        diggs=next(marks) if mark is None else mark,
        container={"name": "Technology", "short_name": "technology"},
        topic={"name": "Linux", "short_name": "linux"},
        user={"name": "kim", "registered": 1_140_000_000, "fullname": "Kim"},
        shorturl=[{"short_url": "http://d.gg/1", "view_count": 2}],
        thumbnail={"originalwidth": 80, "originalheight": 80, "src": _LINK},
        submit_date=datetime(2009, 6, 1, 12, 30, 15, 123_000, tzinfo=UTC),
    )
