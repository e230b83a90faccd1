"""Stories in the admin."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cdc.models import OutboxRecord
from cdc.status.row_trace import RowTrace
from stories.actions.reasons import COMMON_REASONS
from stories.admin import StoryAdmin
from stories.admin_forms import IndentedEncoder, JSONColumnField
from stories.models import Rejection, Status, Story
from tests.support.fuzzing import Fields
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LIST = "/admin/stories/story/"


@pytest.fixture
def client(client: Client) -> Iterator[Client]:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    with plain_static_files():
        yield client


@pytest.fixture
def stories() -> list[Story]:
    made = [
        Story.objects.create(
            title=f"Story {status}",
            href="http://a.example/",
            link="http://b.example/",
            status=status,
            source_id=f"s{place}",
            submit_date=datetime(2010, 3, 16 + place, 1, 2, 3, 456_000, tzinfo=UTC),
            user={"name": "ann"},
        )
        for place, status in enumerate(Status)
    ]
    OutboxRecord.objects.all().delete()
    return made


def act(client: Client, action: str, stories: list[Story]) -> str:
    data = {"action": action, "_selected_action": [story.pk for story in stories]}
    return client.post(LIST, data, follow=True).content.decode()


def reject(client: Client, stories: list[Story], reason: str = "Spam.") -> str:
    data = {
        "action": "reject",
        "confirmed": "yes",
        "reason": reason,
        "_selected_action": [story.pk for story in stories],
    }
    return client.post(LIST, data, follow=True).content.decode()


def form_data(client: Client, story: Story) -> dict[str, Any]:
    """Return the form data that a browser would post for an unchanged story."""
    form = client.get(f"{LIST}{story.pk}/change/").context["adminform"].form
    data: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        data[bound.name] = "" if value is None else value
    for name in ("submit_date", "promote_date"):
        moment = data.pop(name) or None
        data[f"{name}_0"] = moment.strftime("%Y-%m-%d") if moment else ""
        data[f"{name}_1"] = moment.strftime("%H:%M:%S") if moment else ""
    return data


def operations() -> list[str]:
    return [record.op for record in OutboxRecord.objects.order_by("id")]


def test_approve_promotes_all_but_popular_stories(client: Client, stories: list[Story]) -> None:
    page = act(client, "approve", stories)
    assert "3 stories were approved." in page
    assert set(Story.objects.values_list("status", flat=True)) == {"popular"}
    promoted = Story.objects.filter(promote_date__gt=timezone.now() - timedelta(minutes=1))
    assert promoted.count() == 3
    assert operations() == ["u", "u", "u"]
    assert LogEntry.objects.filter(change_message="Approved.").count() == 3


def test_reject_emits_an_event_with_its_user(client: Client, stories: list[Story]) -> None:
    assert "Reject 1 story" in act(client, "reject", stories[:1])
    assert "Enter a reason. The submitter will see it." in reject(client, stories[:1], " ")
    assert operations() == []
    assert "1 story was rejected." in reject(client, stories[:1], "Spam.")
    story = Story.objects.get(pk=stories[0].pk)
    assert (story.status, story.rejection.reason) == (Status.REJECTED, "Spam.")
    record = OutboxRecord.objects.get()
    assert record.user == str(User.objects.get().pk)


def test_a_bulk_rejection_offers_common_reasons(client: Client, stories: list[Story]) -> None:
    page = act(client, "reject", stories[:2])
    for each in COMMON_REASONS:
        assert f'name="preset" value="{each.key}" formnovalidate data-fill="id_reason"' in page
        assert f'data-text="{each.text}">{each.label}</button>' in page
    assert "Common reasons" not in act(client, "edit", stories[:2])
    # Without a script, the button posts the form.
    posted = {**Fields(page).values, "_selected_action": [each.pk for each in stories[:2]]}
    filled = client.post(LIST, {**posted, "preset": "spam", "reason": ""}).content.decode()
    assert "The page is an advertisement.</textarea>" in filled
    assert "Enter a reason" not in filled
    assert operations() == []
    assert "2 stories were rejected." in reject(client, stories[:2], "The page is an ad.")


def edit(client: Client, stories: list[Story], **changes: str) -> str:
    data = {"action": "edit", "confirmed": "yes", "_selected_action": [each.pk for each in stories]}
    return client.post(LIST, {**data, **changes}, follow=True).content.decode()


def test_bulk_edit_shows_a_form_first(client: Client, stories: list[Story]) -> None:
    page = act(client, "edit", stories[:2])
    assert "Edit 2 stories" in page
    assert f'value="{stories[0].pk}"' in page
    assert operations() == []


def test_bulk_edit_emits_an_event_per_story(client: Client, stories: list[Story]) -> None:
    page = edit(client, stories[:3], media="images", diggs="0", status="")
    assert "3 stories were edited." in page
    edited = list(Story.objects.filter(media="images").values_list("diggs", "status"))
    assert sorted(edited) == sorted((0, story.status) for story in stories[:3])
    assert operations() == ["u", "u", "u"]
    assert LogEntry.objects.filter(change_message="Edited.").count() == 3


def test_bulk_edit_promotes_newly_popular_stories(client: Client, stories: list[Story]) -> None:
    began = timezone.now() - timedelta(milliseconds=1)
    before = dict(Story.objects.filter(status="popular").values_list("pk", "promote_date"))
    assert 0 < len(before) < len(stories)
    page = edit(client, stories, media="", diggs="", comments="3", status="popular")
    assert f"{len(stories)} stories were edited." in page
    for story in Story.objects.all():
        assert (story.status, story.comments) == ("popular", 3)
        kept = before.get(story.pk)
        assert story.promote_date == kept if story.pk in before else story.promote_date > began
    assert operations() == ["u"] * len(stories)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Fill in at least one field."),
        ({"media": "unknown"}, "unknown is not one of the available choices"),
        ({"media": "a\0"}, "not one of the available choices"),
        ({"diggs": "-1"}, "greater than or equal to 0"),
        ({"comments": "99999999999"}, "less than or equal to"),
        ({"status": "rejected"}, "Enter a reason."),
        ({"status": "king", "media": "<script>alert(1)</script>"}, "not one of the available"),
    ],
)
def test_invalid_bulk_edit_changes_nothing(
    client: Client, stories: list[Story], changes: dict[str, str], sentence: str
) -> None:
    page = edit(client, stories, **changes)
    assert sentence in page
    assert "<script>alert" not in page
    assert operations() == []


def test_bulk_delete_emits_an_event_per_story(client: Client, stories: list[Story]) -> None:
    data = {
        "action": "delete_selected",
        "post": "yes",
        "_selected_action": [story.pk for story in stories],
    }
    client.post(LIST, data)
    assert not Story.objects.exists()
    assert operations() == ["d"] * 4


def test_list_is_searched_and_filtered(client: Client, stories: list[Story]) -> None:
    for query in ("q=popular", "q=s2", "status__exact=popular", "submit_date__day=18"):
        page = client.get(f"{LIST}?{query}").content.decode()
        assert "1 story" in page, query
        assert "Story popular" in page


@pytest.mark.parametrize(("year", "count"), [("2010", 4), ("2009", 0), ("9999", 0), ("x", 0)])
def test_list_is_filtered_by_year(
    client: Client, stories: list[Story], year: str, count: int
) -> None:
    assert '<a href="?submitted_in=2010">2010</a>' in client.get(LIST).content.decode()
    response = client.get(f"{LIST}?submitted_in={year}")
    assert response.context["cl"].result_count == count


def test_list_is_filtered_by_media(client: Client, stories: list[Story]) -> None:
    Story.objects.filter(pk=stories[0].pk).update(media="videos")
    assert '<a href="?media=videos">Videos</a>' in client.get(LIST).content.decode()
    assert client.get(f"{LIST}?media=videos").context["cl"].result_count == 1
    assert client.get(f"{LIST}?media=absent").context["cl"].result_count == 0


def test_only_the_count_of_the_list_reads_all_stories(
    client: Client, stories: list[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoryAdmin, "list_per_page", 2)
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    found = [query["sql"] for query in queries if "stories_story" in query["sql"]]
    (counting,) = [sql for sql in found if "LIMIT" not in sql]
    assert counting.startswith("SELECT COUNT(*)")


def test_json_columns_are_indented(client: Client, stories: list[Story]) -> None:
    page = client.get(f"{LIST}{stories[0].pk}/change/").content.decode()
    assert "{\n  &quot;name&quot;: &quot;ann&quot;\n}" in page


def test_times_have_native_inputs_to_the_second(client: Client, stories: list[Story]) -> None:
    page = client.get(f"{LIST}{stories[0].pk}/change/").content.decode()
    for name, kind, value in (("0", "date", "2010-03-16"), ("1", "time", "01:02:03")):
        (found,) = re.findall(rf'<input[^>]* name="submit_date_{name}"[^>]*>', page)
        assert f'type="{kind}"' in found
        assert f'value="{value}"' in found
        assert f'aria-label="Submitted, {kind}"' in found
    assert 'step="1"' in page
    assert "DateTimeShortcuts" not in page


def test_help_texts_say_what_to_enter(client: Client, stories: list[Story]) -> None:
    page = client.get(f"{LIST}{stories[0].pk}/change/").content.decode()
    assert "The section, as a JSON object with" in page
    assert "The ID of an imported story" in page
    assert "<label>Source ID</label>" in page
    for name, word in (("href", "discussed"), ("link", "itself")):
        assert re.search(rf'id="id_{name}_helptext">\s*<div>The address [^<]* {word}\.<', page)


def test_media_are_a_choice_that_has_those_of_imports(client: Client, stories: list[Story]) -> None:
    story = stories[0]
    Story.objects.filter(pk=story.pk).update(media="podcasts")
    for each, media in ((story, "podcasts"), (stories[1], "podcasts"), (story, "images")):
        page = client.get(f"{LIST}{each.pk}/change/").content.decode()
        for name in ("Images", "News", "Podcasts", "Videos"):
            assert re.search(rf'<option value="{name.lower()}"[^>]*>{name}<', page), name
        data = {**form_data(client, each), "media": media}
        assert client.post(f"{LIST}{each.pk}/change/", data).status_code == 302
        assert Story.objects.get(pk=each.pk).media == media


def test_the_media_of_a_new_story_are_those_of_the_model(client: Client) -> None:
    page = client.get(f"{LIST}add/").content.decode()
    assert re.findall(r'<option value="([a-z]+)" selected>', page) == ["news", "submitted"]


def test_each_optional_field_is_marked(client: Client, stories: list[Story]) -> None:
    story = stories[0]
    page = client.get(f"{LIST}{story.pk}/change/").content.decode()
    mark = ' <span class="sf-optional">(optional)</span>'
    marked = re.findall(rf"<label[^>]*>([^<]+){re.escape(mark)}</label>", page)
    assert marked == [
        *("Description", "Topic", "New topic", "Popular since", "Account"),
        *("Submitter", "Section", "Thumbnail", "Short addresses"),
    ]
    assert page.count(mark) == len(marked)
    assert ' <span class="sf-optional">(only if rejected)</span></label>' in page
    for label in ("Title", "Link", "Discussion", "Media", "Submitted"):
        assert re.search(rf"<label[^>]*>{label}</label>", page), label
    data = {**form_data(client, story), "description": "New.", "new_topic": "Tea"}
    client.post(f"{LIST}{story.pk}/change/", data)
    assert (
        str(LogEntry.objects.get())
        == f"Changed “{story.title}” — Changed Description and New topic."
    )


def test_staff_who_may_only_view_stories_read_the_form(
    client: Client, stories: list[Story]
) -> None:
    staff = User.objects.create_user("staff@people.example", "x", name="Staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_story"))
    client.force_login(staff)
    story = stories[3]
    Rejection.objects.create(story=story, reason="Spam.")
    page = client.get(f"{LIST}{story.pk}/change/").content.decode()
    assert "Popular since</label>" in page
    for shown in ("Spam.", "<bdi>ann</bdi> (imported)"):
        assert f'<div class="readonly">{shown}</div>' in page
    assert "New topic" not in page
    assert "Shown" not in page


def test_edit_emits_an_event_and_changes_nothing_else(client: Client, stories: list[Story]) -> None:
    story = stories[0]
    data = {**form_data(client, story), "diggs": 7}
    assert client.post(f"{LIST}{story.pk}/change/", data).status_code == 302
    before = {field.attname: getattr(story, field.attname) for field in Story._meta.fields}
    story.refresh_from_db()
    after = {field.attname: getattr(story, field.attname) for field in Story._meta.fields}
    assert after == {**before, "diggs": 7}
    assert operations() == ["u"]


def test_an_edit_keeps_votes_and_a_review_of_the_meantime(
    client: Client, stories: list[Story]
) -> None:
    story = stories[0]
    page = client.get(f"{LIST}{story.pk}/change/").content.decode()
    data = {**Fields(page).values, "title": "Corrected"}
    now = timezone.now().replace(microsecond=0)
    newer = {"status": Status.POPULAR, "promote_date": now, "diggs": 7, "comments": 3}
    Story.objects.filter(pk=story.pk).update(**newer)
    assert client.post(f"{LIST}{story.pk}/change/", data).status_code == 302
    assert Story.objects.filter(pk=story.pk, title="Corrected", **newer).exists()


def test_empty_json_box_means_the_default(client: Client, stories: list[Story]) -> None:
    data = {**form_data(client, stories[0]), "user": "", "shorturl": "", "thumbnail": ""}
    assert client.post(f"{LIST}{stories[0].pk}/change/", data).status_code == 302
    story = Story.objects.get(pk=stories[0].pk)
    assert (story.user, story.shorturl, story.thumbnail) == ({}, [], None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"link": "javascript:alert(1)"}, "link"),
        ({"link": "http://a.example\\@b.example/"}, "link"),
        ({"href": "http://a.example\\@b.example/?b\\"}, "href"),
        ({"diggs": -1}, "diggs"),
        ({"diggs": 2**40}, "diggs"),
        ({"topic": "[]"}, "topic"),
        ({"title": "\u200b\ufeff"}, "title"),
        ({"title": "\u3164\u2800"}, "title"),
        ({"new_topic": "\u200b"}, "new_topic"),
        ({"new_topic": "a\0"}, "new_topic"),
        ({"new_topic": "x" * 101}, "new_topic"),
        ({"media": "unknown"}, "media"),
        ({"status": "rejected"}, "reason"),
        ({"status": "rejected", "reason": " "}, "reason"),
        ({"user": '{"n": 18446744073709551616}'}, "user"),
        ({"user": "{"}, "user"),
        ({"user": '{"n": ' + "9" * 5_000 + "}"}, "user"),
        ({"shorturl": "[" * 100_000}, "shorturl"),
        ({"container": '{"a":' * 100_000}, "container"),
        ({"topic": "[" * 900 + "]" * 900}, "topic"),
        ({"thumbnail": r'{"name": "\ud800"}'}, "thumbnail"),
        ({"thumbnail": r'{"\udfff": 1}'}, "thumbnail"),
        ({"user": '{"n": NaN}'}, "user"),
        ({"user": '{"n": -Infinity}'}, "user"),
        ({"user": '{"n": 1e999}'}, "user"),
        ({"user": r'{"\u0000": 1}'}, "user"),
    ],
)
def test_invalid_value_is_an_error_of_its_field(
    client: Client, stories: list[Story], changes: dict[str, Any], field: str
) -> None:
    data = {**form_data(client, stories[0]), **changes}
    answer = client.post(f"{LIST}{stories[0].pk}/change/", data)
    form = answer.context["adminform"].form
    assert list(form.errors) == [field]
    assert str(form[field].data) == str(changes.get(field, ""))
    assert operations() == []


def test_a_stored_surrogate_is_shown_escaped(client: Client, stories: list[Story]) -> None:
    """Only an SQL statement can store it, and not all servers accept it."""
    encoder = JSONColumnField(encoder=IndentedEncoder)
    assert encoder.prepare_value({"a": "\ud800☃"}) == '{\n  "a": "\\ud800☃"\n}'


@pytest.mark.parametrize("date", ["10000-01-01", "x", "\0", "2010-03-16", "9" * 4_000])
def test_a_date_in_the_url_of_an_empty_form_is_ignored(client: Client, date: str) -> None:
    shown = client.get(f"{LIST}add/", {"submit_date": date, "promote_date": date, "title": "seen"})
    assert shown.status_code == 200
    assert 'value="seen"' in shown.content.decode()


def test_oversized_story_shows_an_error_message(client: Client, stories: list[Story]) -> None:
    data = {**form_data(client, stories[0]), "description": "x" * 1_000_000}
    answer = client.post(f"{LIST}{stories[0].pk}/change/", data, follow=True)
    assert "Not saved." in answer.content.decode()
    assert "MAX_EVENT_BYTES" in answer.content.decode()
    form = answer.context["adminform"].form
    assert list(form.errors) == ["description"]
    assert form["description"].value() == data["description"]
    assert Story.objects.get(pk=stories[0].pk).description == ""


@pytest.fixture
def oversize(stories: list[Story], settings: Any) -> Story:
    """Return a story that exceeds the limit, because the limit was lowered after the save."""
    stories[0].description, stories[0].submitted_by = "x" * 30_000, User.objects.get()
    stories[0].save()
    settings.CDC = replace(settings.CDC, max_event_bytes=20_000)
    OutboxRecord.objects.all().delete()
    return stories[0]


def test_oversized_story_can_be_moderated(client: Client, oversize: Story) -> None:
    assert "1 story was rejected." in reject(client, [oversize])
    assert "1 story was approved." in act(client, "approve", [oversize])
    assert "1 story was edited." in edit(client, [oversize], diggs="9", media="", status="")
    address = f"{LIST}{oversize.pk}/change/"
    data = {**form_data(client, oversize), "status": "rejected", "reason": "Spam."}
    assert client.post(address, data).status_code == 302
    answer = client.post(address, {**data, "description": "x" * 30_001})
    assert list(answer.context["adminform"].form.errors) == ["description"]
    assert client.post(f"{LIST}{oversize.pk}/delete/", {"post": "yes"}).status_code == 302
    assert operations() == ["u", "u", "u", "u", "d"]


def test_the_author_of_an_oversized_story_can_be_deleted(client: Client, oversize: Story) -> None:
    author = User.objects.create_user("ann@people.example", "x", name="Ann")
    Story.objects.update(submitted_by=author)
    answer = client.post(f"/admin/users/user/{author.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not Story.objects.exclude(submitted_by=None).exists()


def test_a_refused_action_is_an_error_message(client: Client, stories: list[Story]) -> None:
    with connection.cursor() as cursor:
        nul = r'{"a\u0000b": 1}'
        cursor.execute("UPDATE stories_story SET user = %s WHERE id = %s", [nul, stories[0].pk])
    page = reject(client, stories)
    named = f"stories_story {stories[0].pk}"
    assert f"No story was rejected. {named}: Column user has NUL in the key" in page
    assert not LogEntry.objects.exists()


def test_story_is_added_without_a_source_id(client: Client, stories: list[Story]) -> None:
    data = {**form_data(client, stories[0]), "title": "Ours", "source_id": ""}
    assert client.post(f"{LIST}add/", data).status_code == 302
    assert Story.objects.get(title="Ours").source_id is None
    assert operations() == ["c"]


def test_the_topic_is_a_choice_or_a_new_name(client: Client, stories: list[Story]) -> None:
    tea = {"name": "Tea", "short_name": "tea", "icon": 7}
    Story.objects.filter(pk=stories[1].pk).update(topic=tea)
    Story.objects.filter(pk=stories[2].pk).update(topic={"name": 5, "odd": [1]})
    for story, changes, expected in (
        (stories[0], {}, {}),
        (stories[0], {"topic": "Tea"}, tea),
        (stories[1], {"title": "New"}, tea),
        (stories[2], {}, {"name": 5, "odd": [1]}),
        (stories[1], {"topic": ""}, {}),
        (stories[1], {"new_topic": "Green Ale"}, {"name": "Green Ale", "short_name": "green-ale"}),
        (stories[2], {"new_topic": "Tea"}, tea),
    ):
        data = {**form_data(client, story), **changes}
        assert client.post(f"{LIST}{story.pk}/change/", data).status_code == 302
        assert Story.objects.get(pk=story.pk).topic == expected, changes


def test_the_form_of_a_story_rejects_with_a_reason(client: Client, stories: list[Story]) -> None:
    address = f"{LIST}{stories[0].pk}/change/"
    data = {**form_data(client, stories[0]), "status": "rejected", "reason": "Spam."}
    assert client.post(address, data).status_code == 302
    assert Story.objects.get(pk=stories[0].pk).rejection.reason == "Spam."
    again = form_data(client, stories[0])
    assert again["reason"] == "Spam."
    assert client.post(address, {**again, "title": "New"}).status_code == 302
    assert Story.objects.get(pk=stories[0].pk).rejection.reason == "Spam."
    again = form_data(client, stories[0])
    assert client.post(address, {**again, "status": "upcoming"}).status_code == 302
    assert not Rejection.objects.exists()


def test_the_form_of_a_story_leads_to_its_review_and_back(
    client: Client, stories: list[Story]
) -> None:
    for story in stories:
        form = f"{LIST}{story.pk}/change/"
        page = client.get(form).content.decode()
        review = {
            action: f"/stories/{story.pk}/{action}/?next={form}" for action in ("approve", "reject")
        }
        assert (review["approve"] in page) == (story.status != Status.POPULAR)
        assert review["reject"] in page
        assert "use the buttons at the top." in page
        asked = client.get(review["reject"]).content.decode()
        assert f'href="{form}">Cancel' in asked
        shown = {"shown": Fields(asked).values["shown"], "reason": "Spam."}
        assert client.post(review["reject"], shown).headers["Location"] == form
    assert set(Story.objects.values_list("status", flat=True)) == {Status.REJECTED}
    empty = client.get(f"{LIST}add/").content.decode()
    assert "/approve/" not in empty
    assert "use the buttons at the top." not in empty


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_review_shows_who_submitted_the_story_and_when(
    client: Client, stories: list[Story], action: str
) -> None:
    page = client.get(f"/stories/{stories[0].pk}/{action}/").content.decode()
    assert "<dt>Submitted by</dt><dd><bdi>ann</bdi></dd>" in page
    assert "<dt>Submitted</dt><dd>16 Mar 2010, 01:02 UTC</dd>" in page


def test_bulk_edit_rejects_with_a_reason(client: Client, stories: list[Story]) -> None:
    page = edit(client, stories[:2], status="rejected", reason="Old.", media="", diggs="")
    assert "2 stories were edited." in page
    assert set(Rejection.objects.values_list("reason", flat=True)) == {"Old."}


@pytest.mark.parametrize(
    ("role", "ending"),
    [
        (UserType.TECHNICAL_WORKER, "The state of MongoDB is unknown: secret@host."),
        (UserType.CUSTOMER, "The state of MongoDB is unknown."),
    ],
)
def test_only_operators_see_the_error_of_a_trace(
    client: Client,
    stories: list[Story],
    monkeypatch: pytest.MonkeyPatch,
    role: UserType,
    ending: str,
) -> None:
    found = RowTrace(
        sentence="The state of MongoDB is unknown: secret@host.",
        settled=False,
        problem="secret@host.",
    )
    monkeypatch.setattr("stories.admin.trace_row", lambda _story: found)
    staff = User.objects.create_user("staff@example.org", is_staff=True, user_type=role)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="stories"))
    client.force_login(staff)
    page = client.get(f"/admin/stories/story/{stories[0].pk}/change/").content.decode()
    assert f'<div class="readonly">{ending}</div>' in page


def press(client: Client, number: int, stories: list[Story]) -> str:
    """Press one of the buttons beside the list of actions."""
    page = client.get(f"{LIST}?status__exact=submitted").content.decode()
    assert f'name="index" value="{number}"' in page
    chosen = re.findall(r'<input type="hidden" name="action" value="(\w+)">', page)
    data = {
        "action": ["", *chosen],
        "index": number,
        "_selected_action": [story.pk for story in stories],
    }
    answer = client.post(f"{LIST}?status__exact=submitted", data, follow=True)
    return answer.content.decode()


def test_a_button_approves_submitted_stories(client: Client, stories: list[Story]) -> None:
    assert "1 story was approved." in press(client, 1, stories[:1])
    assert Story.objects.get(pk=stories[0].pk).status == Status.POPULAR


def test_a_button_rejects_submitted_stories_with_a_reason(
    client: Client, stories: list[Story]
) -> None:
    page = press(client, 2, stories[:1])
    assert "Reject 1 story" in page
    assert 'name="reason"' in page
    assert operations() == []


def codes(page: str) -> list[str]:
    return re.findall(r'<input type="hidden" name="shown" value="(\d+:\w+)">', page)


@pytest.mark.parametrize(
    ("action", "typed"),
    [
        ("approve", {}),
        ("reject", {"confirmed": "yes", "reason": "Spam."}),
        ("edit", {"confirmed": "yes", "status": "popular", "media": "", "diggs": ""}),
    ],
)
def test_an_action_decides_only_on_what_the_list_has_shown(
    client: Client, stories: list[Story], action: str, typed: dict[str, str]
) -> None:
    url = f"{LIST}?status__exact=submitted"
    shown = codes(client.get(url).content.decode())
    assert len(shown) == 1
    Story.objects.filter(pk=stories[0].pk).update(link="http://evil.example/")
    OutboxRecord.objects.all().delete()
    data = {"action": action, "_selected_action": [stories[0].pk], "shown": shown}
    if typed:
        asked = client.post(url, data).content.decode()
        assert codes(asked) == shown
    refused = client.post(url, {**data, **typed}, follow=True).content.decode()
    verb = {"edit": "edited", "approve": "approved", "reject": "rejected"}[action]
    assert f"No story was {verb}. “" in refused
    assert "was changed in the meantime. Check what is shown now" in refused
    assert operations() == []
    again = {**data, "shown": codes(refused), **typed}
    assert f"1 story was {verb}." in client.post(url, again, follow=True).content.decode()


def test_the_form_has_one_save_bar_and_links_to_the_page_of_the_story(
    client: Client, stories: list[Story]
) -> None:
    page = client.get(f"{LIST}{stories[0].pk}/change/").content.decode()
    assert f'href="/stories/{stories[0].pk}/"' in page
    assert page.count('name="_save"') == 1
    assert 'name="_addanother"' not in page
    assert "Title</label>" in page
    assert 'name="_addanother"' in client.get(f"{LIST}add/").content.decode()


def test_the_list_shows_the_site_of_each_story(client: Client, stories: list[Story]) -> None:
    Story.objects.filter(pk=stories[0].pk).update(link="http://evil.example\\@b.example/")
    page = client.get(LIST).content.decode()
    link = '<a href="http://b.example/" rel="noopener nofollow"><bdi>b.example</bdi></a>'
    assert page.count(link) == len(stories) - 1
    assert 'href="http://evil' not in page


def test_malformed_codes_are_ignored(client: Client, stories: list[Story]) -> None:
    data = {"action": "approve", "_selected_action": [stories[0].pk]}
    junk = ["", ":", "x:1", "9" * 5_000 + ":1", "\0:", f"{stories[1].pk}:1"]
    page = client.post(LIST, {**data, "shown": junk}, follow=True).content.decode()
    assert "1 story was approved." in page


def test_the_form_of_a_story_decides_only_on_what_it_has_shown(
    client: Client, stories: list[Story]
) -> None:
    address = f"{LIST}{stories[0].pk}/change/"
    data = {**form_data(client, stories[0]), "status": "popular"}
    Story.objects.filter(pk=stories[0].pk).update(link="http://evil.example/")
    answer = client.post(address, data)
    assert "The story was changed in the meantime. Reload this page" in answer.content.decode()
    assert Story.objects.get(pk=stories[0].pk).status == Status.SUBMITTED
    data = {**form_data(client, stories[0]), "status": "popular"}
    assert client.post(address, data).status_code == 302
    assert Story.objects.get(pk=stories[0].pk).status == Status.POPULAR


@pytest.mark.parametrize(
    ("action", "button"), [("", "1"), ("approve", "0"), ("reject", "1"), ("approve", "x")]
)
def test_an_action_is_not_repeated_after_a_refused_write(
    client: Client,
    stories: list[Story],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    button: str,
) -> None:
    """Above the stories to review, two buttons post their actions after the one in the list."""
    attempts = 0

    def deadlock(*_: Any) -> int:
        nonlocal attempts
        attempts += 1
        raise OperationalError(1213, "Deadlock found when trying to get lock")

    monkeypatch.setattr("stories.bulk.changes._update", deadlock)
    answer = client.post(
        f"{LIST}?status__exact=submitted",
        {
            "action": [action, "approve", "reject"],
            "index": button,
            "_selected_action": [stories[0].pk],
        },
        follow=True,
    )
    assert attempts == 1
    assert answer.redirect_chain == [(f"{LIST}?status__exact=submitted", 302)]
    assert "Nothing was changed" in answer.content.decode()


def test_only_the_list_to_review_has_the_buttons(client: Client, stories: list[Story]) -> None:
    assert "Approve selected</button>" not in client.get(LIST).content.decode()
    staff = User.objects.create_user("staff@people.example", "x", name="Staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_story"))
    client.force_login(staff)
    page = client.get(f"{LIST}?status__exact=submitted").content.decode()
    assert stories[0].title in page
    assert "Approve selected</button>" not in page


def test_the_list_names_the_submitters_as_the_site_does(
    client: Client, stories: list[Story]
) -> None:
    Story.objects.filter(pk=stories[1].pk).update(submitted_by=User.objects.get())
    page = client.get(LIST).content.decode()
    assert page.count("<bdi>ann</bdi>") == len(stories) - 1
    assert page.count("<bdi>Boss</bdi></td>") == 1


def test_the_form_names_the_submitter_as_the_list_does(
    client: Client, stories: list[Story]
) -> None:
    boss = User.objects.get()
    Story.objects.filter(pk=stories[1].pk).update(submitted_by=boss)
    Story.objects.filter(pk=stories[2].pk).update(source_id=None)
    Story.objects.filter(pk=stories[3].pk).update(user={})
    expected = ("<bdi>ann</bdi> (imported)", "<bdi>Boss</bdi>", "<bdi>ann</bdi>", "-")
    for story, name in zip(stories, expected, strict=True):
        page = client.get(f"{LIST}{story.pk}/change/").content.decode()
        row = page.partition("Submitted by</label>")[2].partition("</div>")[0]
        assert row.partition('<div class="readonly">')[2] == name
        assert re.search(r'<label for="id_submitted_by">Account', page)
    empty = client.get(f"{LIST}add/").content.decode()
    assert "Submitted by" not in empty
    assert "Account" in empty
