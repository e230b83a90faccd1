"""Addresses of the stories' pages."""

from django.urls import URLPattern, path

from stories import views

urlpatterns: list[URLPattern] = [
    path("stories/", views.StoryListView.as_view(), name="stories"),
    path("stories/<int:pk>/", views.StoryView.as_view(), name="story"),
]
