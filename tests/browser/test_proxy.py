"""One browser opens many feed pages through nginx, over HTTP/2."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import new_context, watched
from tests.support.nginx import Nginx
from tests.support.web import Topic
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.django_db(transaction=True)]
PAGES = 20
PROTOCOL = "performance.getEntriesByType('navigation')[0].nextHopProtocol"


def test_twenty_feed_pages_follow_over_http2(
    browser: Browser, proxy: Nginx, topic: Topic, people: dict[str, User]
) -> None:
    context = new_context(browser, ignore_https_errors=True)
    first = watched(context.new_page(), proxy.url)
    first.log_in(people["technical_worker"])
    visitors = [first, *(watched(context.new_page(), proxy.url) for _ in range(PAGES - 1))]
    for visitor in visitors:
        visitor.open("/feed/")
        assert visitor.page.evaluate(PROTOCOL) == "h2"
    for visitor in visitors:
        expect(visitor.page.locator("#state")).to_contain_text("Live")

    topic.publish(3, title="over the proxy")

    for visitor in visitors:
        expect(visitor.page.locator("#changes").get_by_text("over the proxy")).to_have_count(3)
    assert first.open("/stories/").status == 200
    assert [line for visitor in visitors for line in visitor.complaints] == []
    context.close()
