"""Form pages and admin pages that show a refused write as an error, and keep what was typed."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user
from django.db import router, transaction
from django.forms import BaseForm
from django.forms.utils import ErrorDict
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.functional import SimpleLazyObject

from cdc.refusals import REFUSALS, Refusal, close_broken_connections, error_code, refusal_of
from cdc.runtime import telemetry

CONFIRMED = "confirmed"
"""The parameter that the confirmation form of an action posts."""
_REFUSAL, _JOB = "_cdc_refusal", "_cdc_job"
_RETRY_SECONDS = "1"
_log = logging.getLogger(__name__)


class RefusalMixin:
    """A `FormView` that shows its form again if the write is refused."""

    request: HttpRequest
    _form: Any = None

    def get_form(self, form_class: Any = None) -> Any:
        self._form = super().get_form(form_class)  # type: ignore[misc]  # of the form view
        return self._form

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().post(request, *args, **options)  # type: ignore[misc]
        except REFUSALS as error:
            if self._form is None:
                raise
            refusal = refused(request, error)
            refuse_form(self._form, refusal.sentence)
            answer = self.form_invalid(self._form)  # type: ignore[attr-defined]
            return marked(answer, refusal)
        return answer


class RefusalMessages(admin.ModelAdmin):  # type: ignore[type-arg]  # not at run time
    """A `ModelAdmin` that shows the form or confirmation page again if the write is refused.

    Use it for captured models, and for models whose deletion changes captured rows.
    """

    asking_actions: tuple[str, ...] = ("delete_selected",)
    """The actions that ask for confirmation; after a refused write, they ask again."""

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        view = super().changeform_view
        return self.or_again(request, request.POST, view, *args, **options)

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return self.or_again(request, QueryDict(), super().delete_view, *args, **options)

    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        posted = self._question(request.POST)
        return self.or_again(request, posted, super().changelist_view, *args, **options)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        """Return the class of the form. After a refusal, the form is invalid and shows why."""
        form = super().get_form(request, obj, change=change, **options)
        refusal = refusal_in(request)
        return form if refusal is None else _with_error(form, refusal.sentence)

    def or_again(
        self,
        request: HttpRequest,
        again: QueryDict | None,
        view: Callable[..., HttpResponse],
        *args: Any,
        **options: Any,
    ) -> HttpResponse:
        """Return the response of a view. If the write of the view is refused, call the view again.

        `again` is the POST data of the second call. If `again` is `request.POST` itself, the view's
        form shows the error; otherwise, a message shows it. If `again` is None, there is no second
        call: the user is redirected to the requested page.
        """
        if request.method != "POST":
            return view(request, *args, **options)
        try:
            # An action may write more than once: undo all of its writes if one is refused.
            with transaction.atomic(using=router.db_for_write(self.model)):
                return view(request, *args, **options)
        except REFUSALS as error:
            refusal = refused(request, error)
        if again is not request.POST:
            self.message_user(request, refusal.sentence, messages.ERROR)
        if again is None:
            return HttpResponseRedirect(request.get_full_path())
        request.POST = again  # type: ignore[assignment]
        return marked(view(request, *args, **options), refusal)

    def _question(self, posted: QueryDict) -> QueryDict | None:
        """Return the POST data with which an action asks for confirmation again.

        Return None if the action never asks.
        """
        if _chosen_action(posted) not in self.asking_actions:
            return None
        if CONFIRMED in posted:
            return posted
        unconfirmed = posted.copy()
        unconfirmed.pop("post", None)
        return unconfirmed


class JobMessages(admin.ModelAdmin):  # type: ignore[type-arg]  # not at run time
    """A `ModelAdmin` that can leave a write to a job, and then shows a message that says so."""

    def announce_job(self, request: HttpRequest, sentence: str) -> None:
        """Show this sentence instead of the message that the write has succeeded."""
        setattr(request, _JOB, sentence)

    def message_user(
        self,
        request: HttpRequest,
        message: Any,
        level: Any = messages.INFO,
        extra_tags: str = "",
        fail_silently: bool = False,
    ) -> None:
        if level == messages.SUCCESS:
            message = getattr(request, _JOB, message)
        super().message_user(request, message, level, extra_tags, fail_silently)


def refused(request: HttpRequest, error: Exception) -> Refusal:
    """Log a refused write, make the request usable again, and return the refusal to show."""
    event = telemetry.REQUEST_REFUSED
    problem = f"{type(error).__name__} {error_code(error) or ''}".strip()
    telemetry.log(_log, logging.WARNING, event, path=request.path, error=problem)
    close_broken_connections()
    if hasattr(request, "session"):
        # A login may have replaced the session and the user in the transaction that failed.
        request.session = type(request.session)(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        request.user = SimpleLazyObject(lambda: get_user(request))  # type: ignore[assignment]
    refusal = refusal_of(error)
    setattr(request, _REFUSAL, refusal)
    return refusal


def refusal_in(request: HttpRequest) -> Refusal | None:
    """Return the refusal of the request's write, or None."""
    found: Refusal | None = getattr(request, _REFUSAL, None)
    return found


def refuse_form(form: Any, sentence: str) -> None:
    """Add an error to a form. If the form has not been validated yet, do not validate it.

    The other errors of the form could reveal a secret to the client, such as whether a password is
    correct.
    """
    if form._errors is None:  # noqa: SLF001 -- `errors` would validate the form
        form._errors, form.cleaned_data = ErrorDict(), {}  # noqa: SLF001
    form.add_error(None, sentence)


def show_refusal(request: HttpRequest, form: BaseForm) -> None:
    """Add the refusal of the request's write, if any, to a form."""
    refusal = refusal_in(request)
    if refusal is not None:
        form.add_error(None, refusal.sentence)


def marked(answer: HttpResponse, refusal: Refusal) -> HttpResponse:
    """Return the response, with the status and `Retry-After` of the refusal."""
    answer.status_code = refusal.status
    if refusal.is_temporary:
        answer.headers["Retry-After"] = _RETRY_SECONDS
    return answer


def _chosen_action(posted: QueryDict) -> str:
    """Return the action of the button that was pressed, as `ModelAdmin.response_action` finds it.

    A page with several buttons posts an action for each of them.
    """
    try:
        button = int(posted.get("index", 0))
    except ValueError:
        button = 0
    with suppress(IndexError):
        return posted.getlist("action")[button]
    return posted.get("action", "")


def _with_error(form: type[BaseForm], sentence: str) -> type[BaseForm]:
    class Refused(form):  # type: ignore[valid-type,misc]
        def full_clean(self) -> None:
            super().full_clean()
            self.add_error(None, sentence)

    return Refused
