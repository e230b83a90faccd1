"""Forms to submit, edit and bulk-edit stories."""

import json
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from stories.addresses import canonical, submitted_before
from stories.bulk.shown import code_of
from stories.listing.expressions import TOPIC_LENGTH
from stories.listing.topics import topic_object, topics
from stories.models import LONGEST_REASON, Status, Story, reason_of
from stories.validators import validate_slashes, validate_text, validate_visible
from users.forms import post_initial

REASON_MISSING = "Enter a reason. The submitter will see it."
_CHANGED_MEANWHILE = {"status", "promote_date", "diggs", "comments"}
DUPLICATE = "This link was submitted before. A page can be submitted only once."


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


def _optional(label: str) -> SafeString:
    return format_html('{} <span class="sf-optional">(optional)</span>', label)


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

    def __init__(self) -> None:
        super().__init__(date_format="%Y-%m-%d", time_format="%H:%M:%S", time_attrs={"step": "1"})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        for box, kind in zip(context["widget"]["subwidgets"], ("date", "time"), strict=True):
            box["type"] = kind
            box["attrs"]["aria-label"] = f"{name.replace('_', ' ').capitalize()}, {kind}"
        return context


class TopicChoice(forms.ModelForm[Story]):
    """A form in which the topic is chosen from the topics of all stories.

    If the topic is not changed, its whole JSON object is kept. For a different topic, the form
    copies the JSON object from the newest story with this topic.
    """

    topic = forms.ChoiceField(label=_optional("Topic"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        stored = self.instance.topic
        name = stored.get("name") if isinstance(stored, dict) else None
        self.initial["topic"] = current = name if isinstance(name, str) else ""
        names = topics()
        more = [current] if current and current not in names else []
        self.fields["title"].validators.append(validate_visible)
        for address in {"link", "href"} & self.fields.keys():
            self.fields[address].validators.append(validate_slashes)
        field: Any = self.fields["topic"]
        field.choices = [("", "No topic"), *((each, each) for each in (*names, *more))]

    def clean_topic(self) -> dict[str, Any]:
        """Return the JSON object of the topic."""
        name = self.cleaned_data["topic"]
        if name == self.initial["topic"]:
            return dict(self.instance.topic)
        return topic_object(name) if name else {}


class SubmissionForm(TopicChoice):
    """Submits or edits a story. An edit writes only the fields that changed."""

    link = forms.URLField(
        max_length=500,
        assume_scheme="https",
        help_text="The address of the page. We check whether it was already submitted.",
        widget=forms.URLInput(attrs={"placeholder": "https://…"}),
        error_messages={"required": "Enter the address of the page."},
    )
    wait = forms.BooleanField(
        label="Wait for replication",
        required=False,
        help_text="Wait up to five seconds until the story is in MongoDB.",
    )

    class Meta:
        model = Story
        fields = ("link", "title", "topic", "description")
        widgets = {"description": forms.Textarea(attrs={"rows": 5})}
        labels = {"description": _optional("Description")}
        help_texts = {"title": "Up to 255 characters."}
        error_messages = {"title": {"required": "Enter a title."}}

    def __init__(self, *args: Any, offers_wait: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("title", "description"):
            self.fields[name].widget.attrs["dir"] = "auto"
        for name in ("link", "title"):
            self.fields[name].widget.attrs["data-count"] = True
        self.duplicate: Story | None = None
        self.fields["link"].widget.attrs |= self._check_while_typing()
        if not topics():
            self.fields["topic"].widget = forms.HiddenInput()
        if not offers_wait:
            del self.fields["wait"]

    def clean_link(self) -> str:
        """Return the canonical form of the address.

        Raise ValidationError if the address was submitted before.
        """
        address = canonical(self.cleaned_data["link"])
        if "link" in self.changed_data:
            self.duplicate = submitted_before(address, apart_from=self.instance.pk)
        if self.duplicate:
            raise forms.ValidationError(DUPLICATE, code="duplicate")
        return address

    def save_changes(self) -> Story:
        """Save the story. Raise Refused if the change cannot be captured.

        An edit writes only the changed fields, so that it does not overwrite newer counters.
        """
        story: Story = self.instance
        if story.pk is None:
            story.href = story.link
            story.save()
        else:
            story.save(update_fields=[name for name in self.changed_data if name != "wait"])
        return story

    def _check_while_typing(self) -> dict[str, str]:
        """Return the attributes that make the page look up the address before the form is sent."""
        own = f"?story={self.instance.pk}" if self.instance.pk else ""
        return {
            "hx-get": f"{reverse('story_check')}{own}",
            "hx-trigger": "change",
            "hx-target": "#address-check",
        }


class RejectionForm(forms.Form):
    """The reason for a rejection."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto", "data-count": True}),
        help_text="The submitter will see this text.",
        error_messages={"required": REASON_MISSING},
    )


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
        help_texts = {
            "container": 'The section, as a JSON object with "name" and "short_name".',
            "source_id": "The id of an imported story; empty if a user submitted the story here.",
            "submit_date": "In UTC.",
            "promote_date": "In UTC.",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label_suffix = ""
        self.initial["reason"] = reason_of(self.instance)
        self.initial["shown"] = code_of(self.instance)
        self.fields["reason"].required = False
        # Django itself posts the initial values of columns with a computed default.
        computed = {name for name, field in self.fields.items() if field.show_hidden_initial}
        post_initial(self, _CHANGED_MEANWHILE | computed)

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

    status = forms.ChoiceField(choices=[("", "No change"), *Status.choices], required=False)
    reason = RejectionForm.base_fields["reason"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].required = False
        self.fields["reason"].help_text = "Only for the status Rejected. Submitters will see it."
        for name in ("media", "diggs", "comments"):
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
