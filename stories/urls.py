"""URLs of the story pages."""

from django.urls import URLPattern, path

from stories import views
from stories.actions import views as actions

urlpatterns: list[URLPattern] = [
    path("stories/", views.StoryListView.as_view(), name="stories"),
    path("stories/new/", views.SubmissionView.as_view(), name="story_new"),
    path("stories/new/check/", views.AddressCheckView.as_view(), name="story_check"),
    path("stories/<int:pk>/change/", views.ChangeView.as_view(), name="story_change"),
    path("stories/<int:pk>/way/", views.TraceView.as_view(), name="story_trace"),
    path("stories/mine/", actions.MySubmissionsView.as_view(), name="my_stories"),
    path("stories/<int:pk>/withdraw/", actions.WithdrawView.as_view(), name="story_withdraw"),
    path("stories/<int:pk>/approve/", actions.ApproveView.as_view(), name="story_approve"),
    path("stories/<int:pk>/reject/", actions.RejectView.as_view(), name="story_reject"),
    path("stories/<int:pk>/digg/", actions.DiggView.as_view(), name="story_digg"),
    path("stories/<int:pk>/undo_digg/", actions.UndoDiggView.as_view(), name="story_undo_digg"),
    path("stories/<int:pk>/", views.StoryView.as_view(), name="story"),
]
