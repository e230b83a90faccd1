"""The forms of stories in the admin: one story, and the bulk edit."""

import json
from typing import Any

from django import forms
from django.forms.utils import pretty_name
from django.utils.text import capfirst

from stories.bulk.shown import code_of
from stories.forms import REASON_MISSING, RejectionForm, TopicChoice, optional
from stories.listing.admin_filters import media_of_newest
from stories.listing.expressions import TOPIC_LENGTH
from stories.listing.topics import topic_object
from stories.models import Status, Story, reason_of
from stories.validators import validate_text, validate_visible
from users.forms import post_initial

_CHANGED_MEANWHILE = {"status", "promote_date", "diggs", "comments"}
_MEDIA = {"images", "news", "videos"}
"""The media of the Digg data set."""
_UNCHANGED = ("", "No change")
_NEEDED_IF_REJECTED = "only if rejected"
_REVIEW_ABOVE = (
    "To review the story, use the buttons at the top. Change the status here only to correct it."
)


class IndentedEncoder(json.JSONEncoder):
    """Writes indented JSON for text areas."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "indent": 2})


class ColumnDecoder(json.JSONDecoder):
    """Decodes JSON, and raises JSONDecodeError for all text that cannot be decoded.

    Python raises other errors for a number with too many digits and for text that is nested too
    deeply. Python also accepts NaN and lone surrogates, which a form could not show again.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_constant": _refuse_constant})

    def decode(self, s: str, *args: Any) -> Any:
        try:
            value = super().decode(s, *args)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), s, 0) from None
        return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


class JSONColumnField(forms.JSONField):
    """A JSON field. An empty text area means the column's default, for example an empty object."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "decoder": ColumnDecoder})

    def to_python(self, value: Any) -> Any:
        read = super().to_python(value)
        if read is None and callable(self.initial):
            return self.initial()
        return read

    def prepare_value(self, value: Any) -> Any:
        """Return the text of the text area. A lone surrogate in a stored value is escaped."""
        return str(super().prepare_value(value)).encode(errors="backslashreplace").decode()


class NamedSplitDateTime(forms.SplitDateTimeWidget):
    """Native inputs for a date and a time to the second, each with an accessible name."""

    label = ""
    """The label of the field, which the accessible names begin with."""

    def __init__(self) -> None:
        super().__init__(date_format="%Y-%m-%d", time_format="%H:%M:%S", time_attrs={"step": "1"})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        for box, kind in zip(context["widget"]["subwidgets"], ("date", "time"), strict=True):
            box["type"] = kind
            box["attrs"]["aria-label"] = f"{self.label}, {kind}"
        return context


def _media_choices(*more: str) -> list[tuple[str, str]]:
    """Return the media of the data set and of the newest stories, and those in `more`."""
    return [(media, capfirst(media)) for media in sorted({*_MEDIA, *media_of_newest(), *more})]


class StoryForm(TopicChoice):
    """Edits a story in the admin.

    If a time is not changed, it keeps its milliseconds, which the form does not show. Votes and
    reviews can change a story while its form is open. Therefore the form also posts the values
    that it showed, and only columns that the editor changed are written.
    """

    new_topic = forms.CharField(
        required=False,
        max_length=TOPIC_LENGTH,
        validators=[validate_text, validate_visible],
        help_text="The name of a topic that no story has yet.",
    )
    reason = RejectionForm.base_fields["reason"]
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        # The words of the story's page.
        labels = {
            "container": "Section",
            "href": "Discussion",
            "link": "Link",
            "promote_date": "Popular since",
            "source_id": "Source ID",
            "submit_date": "Submitted",
            "submitted_by": "Account",
        }
        help_texts = {
            "container": 'The section, as a JSON object with "name" and "short_name".',
            "href": "The address of the page where the story is discussed.",
            "link": "The address of the story itself.",
            "source_id": "The ID of an imported story; empty if a user submitted the story here.",
            "submitted_by": "The ID of the submitter's account; empty for an imported story.",
            "submit_date": "In UTC.",
            "promote_date": "In UTC.",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label_suffix = ""
        self.initial["reason"] = reason_of(self.instance)
        self.initial["shown"] = code_of(self.instance)
        self._prepare_fields()
        # Django itself posts the initial values of columns with a computed default.
        computed = {name for name, field in self.fields.items() if field.show_hidden_initial}
        post_initial(self, _CHANGED_MEANWHILE | computed)
        # Only the page shows these labels. Django's log of changes uses the labels of the fields.
        for bound in self:
            if not bound.field.required and not bound.is_hidden:
                mark = _NEEDED_IF_REJECTED if bound.name == "reason" else "optional"
                bound.label = optional(str(bound.label), mark)

    def _prepare_fields(self) -> None:
        fields: Any = self.fields
        fields["topic"].label = "Topic"
        if "media" in fields:  # staff who may only view stories do not get the field
            media = self.instance.media  # of a new story, the model's default
            fields["media"] = forms.ChoiceField(choices=_media_choices(media), initial=media)
        if "status" in fields and self.instance.pk:
            fields["status"].help_text = _REVIEW_ABOVE
        fields["reason"].required = False
        for name, field in fields.items():
            field.label = field.label or pretty_name(name)
            if isinstance(field.widget, NamedSplitDateTime):
                field.widget.label = field.label

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("submit_date", "promote_date"):
            stored = self.initial.get(name)
            if stored and cleaned.get(name) == stored.replace(microsecond=0):
                cleaned[name] = stored
        if cleaned.get("new_topic"):
            cleaned["topic"] = topic_object(cleaned["new_topic"])
        rejected_now = cleaned.get("status") == Status.REJECTED and "status" in self.changed_data
        if rejected_now and not cleaned.get("reason"):
            self.add_error("reason", REASON_MISSING)
        return cleaned


class BulkEditForm(forms.Form):
    """Values to set on many stories. An empty field leaves its column unchanged."""

    status = forms.ChoiceField(choices=[_UNCHANGED, *Status.choices], required=False)
    reason = RejectionForm.base_fields["reason"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].required = False
        self.fields["reason"].help_text = "Only for the status Rejected. Submitters see the reason."
        choices = [_UNCHANGED, *_media_choices()]
        self.fields["media"] = forms.ChoiceField(choices=choices, required=False)
        for name in ("diggs", "comments"):
            column: Any = Story._meta.get_field(name)
            field = column.formfield(required=False, initial=None)
            field.validators += [each for each in column.validators if each not in field.validators]
            self.fields[name] = field

    def clean(self) -> dict[str, Any]:
        """Refuse a form without any value, and a rejection without a reason."""
        cleaned = super().clean() or {}
        if cleaned.get("status") == Status.REJECTED and not cleaned.get("reason"):
            self.add_error("reason", REASON_MISSING)
        if not self.errors and not self.changes:
            raise forms.ValidationError("Fill in at least one field.")
        return cleaned

    @property
    def why(self) -> str:
        """The reason for a rejection; an empty string for other changes."""
        rejects = self.cleaned_data["status"] == Status.REJECTED
        return str(self.cleaned_data["reason"]) if rejects else ""

    @property
    def changes(self) -> dict[str, Any]:
        """The values in the form, by column; empty fields are left out."""
        empty: tuple[Any, ...] = (None, "")
        given = {name: value for name, value in self.cleaned_data.items() if name != "reason"}
        return {name: value for name, value in given.items() if value not in empty}
