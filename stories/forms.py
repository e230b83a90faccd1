"""Forms to submit, edit and reject stories."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from stories.addresses import canonical, submitted_before
from stories.listing.topics import topic_object, topics
from stories.models import LONGEST_REASON, Story
from stories.validators import validate_slashes, validate_text, validate_visible

REASON_MISSING = "Enter a reason. The submitter will see it."
DUPLICATE = "This link was submitted before. A page can be submitted only once."
_VALIDATORS: dict[str, Callable[[str], None]] = {
    "title": validate_visible,
    "link": validate_slashes,
    "href": validate_slashes,
}


def optional(label: str, mark: str = "optional") -> SafeString:
    """Return a label with the mark of an optional field."""
    return format_html('{} <span class="sf-optional">({})</span>', label, mark)


class TopicChoice(forms.ModelForm[Story]):
    """A form in which the topic is chosen from the topics of all stories.

    If the topic is not changed, its whole JSON object is kept. For a different topic, the form
    copies the JSON object from the newest story with this topic.
    """

    topic = forms.ChoiceField(label=optional("Topic"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        stored = self.instance.topic
        name = stored.get("name") if isinstance(stored, dict) else None
        self.initial["topic"] = current = name if isinstance(name, str) else ""
        names = topics()
        more = [current] if current and current not in names else []
        # Staff who may only view stories get a form without these fields.
        for each in _VALIDATORS.keys() & self.fields.keys():
            self.fields[each].validators.append(_VALIDATORS[each])
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
        help_text="The address of the page. We check whether it has already been submitted.",
        widget=forms.URLInput(attrs={"placeholder": "https://…"}),
        error_messages={"required": "Enter the address of the page."},
    )
    wait = forms.BooleanField(
        label="Wait for replication",
        required=False,
        help_text="Wait up to five seconds for the story to reach MongoDB.",
    )

    class Meta:
        model = Story
        fields = ("link", "title", "topic", "description")
        widgets = {"description": forms.Textarea(attrs={"rows": 5})}
        labels = {"description": optional("Description")}
        help_texts = {"title": format_html("<span data-limit>{}</span>", "Up to 255 characters.")}
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
