"""The operations pages in a real browser: reconciliation, pause, dead letters and jobs."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from cdc.models import ConsumerPause, DeadLetter, Job, JobState, OperatorAction, OutboxRecord
from cdc.mongo.throughput import Passed, throughput_of
from cdc.status.facts import LastReconcile, Paused
from cdc.status.verdict import Status
from project.pages import feed_state
from stories.models import Story
from tests.browser.conftest import Visitor, new_context, watched
from tests.browser.looking import EXCESS_WIDTH, violations
from tests.support.latest import patient
from tests.support.letters import letter, letter_about
from tests.support.status import busy_status, healthy_status
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = (390, 1280)
PROVED = LastReconcile(
    finished_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    seconds_ago=60.0,
    equal=True,
    verdict="In sync: 3 rows everywhere.",
)
HOUR = throughput_of(
    [Passed(captured=9, applied=10, changes=1_200, deletes=0, slowest=2.5)], bins=60
)
SHOWN: dict[str, Any] = {}
"""The parts of the status that a test changes while a page is open."""
LETTERS = "/operations/dead_letters/"


def read() -> Status:
    """Return a healthy status, or a paused one if the database contains a pause."""
    found = ConsumerPause.objects.first()
    paused = Paused(who="ann@people.example", at=found.at, why=found.why) if found else None
    return healthy_status(**{"paused": paused, "reconcile": PROVED, **SHOWN})


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(feed_state.feed, "latest", patient(read, fresh=0.2))
    monkeypatch.setattr(feed_state, "rates", patient(lambda: [0.0, 1.0]))
    monkeypatch.setattr(feed_state, "throughput", patient(lambda: HOUR))
    yield
    SHOWN.clear()


def press(page: Page, name: str, role: Any = "link") -> None:
    """Reach a link or button with the keyboard, and press it."""
    target = page.get_by_role(role, name=name)
    target.wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("each => each === document.activeElement"):
            break
    else:
        pytest.fail(f"the keyboard does not reach {name}")
    page.keyboard.press("Enter")


def test_a_pause_by_keyboard_is_shown_until_it_is_resumed(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.log_in(people["technical_worker"])
    expect(page.locator(".sf-verdict")).to_contain_text("In sync")
    press(page, "Pause consumers")
    page.get_by_label("Why").fill("an index is built")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="are paused")).to_be_visible()
    expect(page.locator(".sf-verdict")).to_contain_text("(an index is built)")
    expect(page.locator(".sf-part-bad")).to_contain_text("paused by ann@people.example")
    expect(page.locator(".sf-part-bad")).to_contain_text("Paused")

    # Another operator resumes the consumers, and the page updates itself.
    page.get_by_role("link", name="Resume consumers").focus()
    ConsumerPause.objects.all().delete()
    expect(page.get_by_role("link", name="Pause consumers")).to_be_focused()
    expect(page.locator(".sf-part-bad")).to_have_count(0)
    assert OperatorAction.objects.get().what == "pause"
    visitor.open("/operations/log/")
    expect(page.get_by_role("row").nth(1)).to_contain_text("an index is built")


def test_one_sentence_says_whether_the_copy_is_correct(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": 1280, "height": 900})
    visitor.log_in(people["technical_worker"])
    verdict = page.get_by_role("region", name="Is the replica correct?")
    expect(verdict).to_contain_text("Healthy. In sync: 3 rows everywhere.")
    expect(verdict).to_contain_text("Last proved equal by the reconciliation of 2 Jan, 03:04 UTC")
    expect(page.get_by_role("img", name="Changes per minute in the last hour")).to_be_visible()
    spark = page.get_by_role("img", name="Longest delay of a change in the last hour")
    expect(spark).to_have_accessible_name(re.compile("0.0 s in the last minute, 2.5 s at most"))
    expect(spark).to_be_visible()
    places = [each.bounding_box() for each in page.locator(".sf-part").all()]
    page.get_by_role("link", name="Pause consumers").focus()

    SHOWN["dead_letters"] = 4

    expect(verdict).to_contain_text("Dead letters. 4 dead letters need a decision")
    expect(page.locator("#announcement")).to_have_text("Dead letters.")
    assert [each.bounding_box() for each in page.locator(".sf-part").all()] == places
    expect(page.get_by_role("link", name="Pause consumers")).to_be_focused()
    verdict.get_by_role("link", name="Show the dead letters").click()
    expect(page.get_by_text("No dead letters need a decision.")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_verdict_moves_nothing_and_is_complete_below(
    visitor: Visitor, people: dict[str, User], width: int
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 844})
    SHOWN["reconcile"] = None
    visitor.log_in(people["technical_worker"])
    verdict = page.get_by_role("region", name="Is the replica correct?")
    expect(verdict).to_contain_text("counted but not yet compared field by field.")
    places = [each.bounding_box() for each in (verdict, *page.locator(".sf-part").all())]
    reason = "The database reused outbox ids. " * 20

    SHOWN["unverified"] = reason.strip()

    expect(page.get_by_role("region", name="Problems and warnings")).to_contain_text(reason.strip())
    assert verdict.bounding_box() == places[0]
    assert page.locator(".sf-part").first.bounding_box() == places[1]


def test_a_screen_reader_hears_at_most_one_sentence_in_five_seconds(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.log_in(people["technical_worker"])
    page.evaluate(
        """() => {
          const said = (window.said = []);
          const note = document.getElementById("announcement");
          const hear = () => said.push([performance.now(), note.textContent]);
          new MutationObserver(hear).observe(note, { childList: true });
        }"""
    )
    SHOWN["dead_letters"] = 4
    expect(page.locator("#announcement")).to_have_text("Dead letters.")
    SHOWN["dead_letters"] = 0
    expect(page.locator("#announcement")).to_have_text("Healthy.")
    (first, one), (second, other) = page.evaluate("said")
    assert (one, other) == ("Dead letters.", "Healthy.")
    # On a busy machine, the first sentence may be noted a little later than it was said.
    assert second - first > 4_500


def test_a_page_says_when_its_server_is_silent(visitor: Visitor, people: dict[str, User]) -> None:
    page = visitor.page
    visitor.log_in(people["senior_management"])
    visitor.open("/operations/")
    expect(page.get_by_role("link", name="Pause consumers")).to_have_count(0)
    expect(page.locator("#live")).to_have_text("Live. This page updates itself every 2 seconds.")
    expect(page.locator("#live")).to_be_visible()
    page.route("**/operations/state/", lambda route: route.abort())
    expect(page.locator("#stale")).to_contain_text("No response since")
    expect(page.locator("#state")).to_have_class("sf-stale")
    expect(page.locator("#live")).to_be_hidden()
    page.unroute("**/operations/state/")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#live")).to_be_visible()
    # The browser reports each aborted request as an error.
    visitor.complaints.clear()


def test_dead_letters_are_found_replayed_and_discarded_with_the_keyboard(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["technical_worker"])
    about = letter_about(stories[0].pk)
    others = [letter(reason="The title is too wide.") for _ in range(3)]
    OutboxRecord.objects.all().delete()
    visitor.open(LETTERS)
    page.get_by_label("Reason contains").focus()
    page.keyboard.type("too wide")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.url}{LETTERS}?reason=too+wide")
    expect(page.get_by_text("3 found")).to_be_visible()
    page.get_by_label("Select all on this page").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_label(f"Select dead letter {others[0].pk}").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Discard selected").press("Enter")
    expect(page.get_by_role("heading", name="Discard 2 dead letters")).to_be_visible()
    page.get_by_label("Why").fill("a test")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 dead letters were discarded.")).to_be_visible()
    expect(page.get_by_text("1 found")).to_be_visible()

    press(page, "Remove the filter")
    expect(page.get_by_label(f"Select dead letter {about.pk}")).to_be_visible()
    page.get_by_label(f"Select dead letter {about.pk}").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Replay selected").press("Enter")
    page.get_by_label("Why").fill("wider now")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 dead letter was replayed.")).to_be_visible()
    assert OutboxRecord.objects.get().op == "r"
    states = DeadLetter.objects.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["replayed", "waiting", "discarded", "discarded"]


def test_a_job_is_started_and_its_end_is_seen(visitor: Visitor, people: dict[str, User]) -> None:
    page = visitor.page
    visitor.log_in(people["technical_worker"])
    visitor.open("/operations/jobs/")
    press(page, "Reconcile…")
    page.get_by_role("button", name="Reconcile", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Reconciliation, job")).to_be_visible()
    expect(page.get_by_text("runs one job at a time")).to_be_visible()
    now = timezone.now()

    Job.objects.update(state=JobState.RUNNING, started_at=now, heard_at=now, total=4, done=1)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "1")
    expect(page.get_by_text("25%")).to_be_visible()
    Job.objects.update(
        state=JobState.DONE, finished_at=timezone.now(), done=4, result="In sync: 4 rows."
    )

    expect(page.get_by_role("region", name="Result")).to_contain_text("In sync: 4 rows.")
    expect(page.locator("#job[hx-get]")).to_have_count(0)
    expect(page.get_by_role("link", name="Cancel the job")).to_have_count(0)
    expect(page.locator("#announcement")).to_have_text(re.compile(r"Job \d+: Done\."))


@pytest.mark.parametrize("state", ["healthy", "busy", "paused", "broken"])
def test_the_pages_are_accessible_in_each_state(
    browser: Browser, site: str, people: dict[str, User], state: str
) -> None:
    context = new_context(browser, bypass_csp=True, reduced_motion="reduce")
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["technical_worker"])
    if state == "busy":
        SHOWN.update({name: getattr(busy_status(), name) for name in ("outbox", "lags", "tables")})
    elif state == "paused":
        ConsumerPause.objects.create(group="storyfeed", who="1", why="an index is built")
    elif state == "broken":
        problem = "MongoDB is not responding."
        SHOWN.update(tables=None, lags=None, problems=(problem,), unreachable=("MongoDB",))
    paths = ["/operations/"]
    if state == "busy":
        for number in range(60):
            letter(reason=f"{number} is too wide. {'x' * 300}")
            Job.objects.create(kind="repair", arguments="{}", asked_by="1", total=9, done=number)
            OperatorAction.objects.create(who="1", what="pause", target="y" * 200, why="z" * 400)
        paths += [LETTERS, f"{LETTERS}?status=all&text=1", "/operations/jobs/", "/operations/log/"]
        paths += [f"{LETTERS}replay/?newest=999999", f"{LETTERS}?reason=none"]
    found = []
    for path, width in product(paths, WIDTHS):
        visitor.page.set_viewport_size({"width": width, "height": 844})
        visitor.open(path)
        found += violations(visitor)
        if (excess := visitor.page.evaluate(EXCESS_WIDTH)) > 0:
            found.append(f"{path} is {excess} px too wide at {width}")
    context.close()
    assert not found, "\n".join(found)
