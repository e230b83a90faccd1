"""The site's URLs."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from cdc.feed.views import FeedChange, FeedPage, FeedStream
from project.dashboard.views import Dashboard, TableFile
from project.http import health
from project.metrics import page as metrics
from project.operations.pipeline import TechnicalWorkerHome
from project.pages import home_pages
from project.pages.front_page import FrontPage
from project.pages.styleguide import StyleGuide
from stories.listing.topics import topics
from users.client_address import client_network
from users.roles import FEED_ROLES, feed_audience, only_for

admin.site.site_header = "Storyfeed admin"
admin.site.site_title = "Storyfeed admin"
admin.site.index_title = "Admin"
# Django's sidebar would only repeat the home page of the admin.
admin.site.enable_nav_sidebar = False

handler400 = "project.http.refusals.bad_request"
handler404 = "project.http.refusals.not_found"
handler500 = "project.http.refusals.server_error"
urlpatterns = [
    path("", FrontPage.as_view(), name="home"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    # The admin uses the login page of the site.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    # The site's own page limits how often the old password can be guessed.
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change")),
    path("admin/", admin.site.urls),
    path("customer/", home_pages.CustomerHome.as_view(), name="customer"),
    path("technical_worker/", TechnicalWorkerHome.as_view(), name="technical_worker"),
    path("senior_management/", Dashboard.as_view(), name="senior_management"),
    path("senior_management/<slug:table_name>.csv", TableFile.as_view(), name="dashboard_table"),
    path("styleguide/", StyleGuide.as_view(), name="styleguide"),
    # Browsers and programs also ask for this address on pages that name a different icon.
    path("favicon.ico", home_pages.favicon),
    path("operations/", include("project.operations.urls")),
    path(
        "feed/",
        FeedPage.as_view(
            audience_of=feed_audience,
            topics_of_rows=topics,
            permission_denied_message=only_for(*FEED_ROLES),
        ),
        name="feed",
    ),
    path(
        "feed/<int:partition>/<int:offset>/",
        FeedChange.as_view(audience_of=feed_audience),
        name="feed_change",
    ),
    path(
        "feed/stream",
        FeedStream.as_view(audience_of=feed_audience, address_of=client_network),
        name="feed_stream",
    ),
    path("", include("stories.urls")),
    path("", include("users.urls")),
]
