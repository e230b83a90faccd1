"""How a story's columns are edited."""

import json
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime

from stories.models import Status, Story


class IndentedEncoder(json.JSONEncoder):
    """Writes JSON over several lines, for people to read."""

    def __init__(self, **options: Any) -> None:
        """Take what `json.dumps` gives, but its indent."""
        super().__init__(**{**options, "indent": 2})


class JSONColumnField(forms.JSONField):
    """A JSON column whose emptied box means the column's default, which may not be null."""

    def to_python(self, value: Any) -> Any:
        """Return the JSON value that the box holds."""
        read = super().to_python(value)
        if read is None and callable(self.initial):
            return self.initial()
        return read


class NamedSplitDateTime(AdminSplitDateTime):
    """Date and time in two boxes, each with a name for those who cannot see the words beside it."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return what the boxes are drawn from."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        for box, label in zip(context["widget"]["subwidgets"], ("date", "time"), strict=True):
            box["attrs"]["aria-label"] = f"{name.replace('_', ' ').capitalize()}, {label}"
        return context


class SubmissionForm(forms.ModelForm[Story]):
    """A story as people submit and correct it; only what they touched is written."""

    link = forms.URLField(label="Story address", max_length=500, assume_scheme="https")
    wait = forms.BooleanField(
        label="Wait until it is in MongoDB",
        required=False,
        help_text="For five seconds at most.",
    )

    class Meta:
        model = Story
        fields = ("title", "link", "description")
        widgets = {"description": forms.Textarea(attrs={"rows": 5})}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("title", "description"):
            self.fields[name].widget.attrs["dir"] = "auto"

    def keep(self) -> Story:
        """Save: a new story whole, of another only what was changed; raises Refused.

        Others write the columns beside these at the same time, such as the counts.
        """
        story: Story = self.instance
        if story.pk is None:
            story.href = story.link
            story.save()
        else:
            story.save(update_fields=[name for name in self.changed_data if name != "wait"])
        return story


class StoryForm(forms.ModelForm[Story]):
    """A story; times that nobody touched keep the milliseconds that their boxes do not show."""

    def clean(self) -> dict[str, Any]:
        """Return what was entered."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("submit_date", "promote_date"):
            stored = self.initial.get(name)
            if stored and cleaned.get(name) == stored.replace(microsecond=0):
                cleaned[name] = stored
        return cleaned


class BulkEditForm(forms.Form):
    """What is to be the same in many stories; an empty box leaves each as it is."""

    status = forms.ChoiceField(choices=[("", "as it is"), *Status.choices], required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("media", "diggs", "comments"):
            column: Any = Story._meta.get_field(name)
            field = column.formfield(required=False, initial=None)
            field.validators += [each for each in column.validators if each not in field.validators]
            self.fields[name] = field

    def clean(self) -> dict[str, Any]:
        """Refuse a form in which nothing is to be changed."""
        cleaned = super().clean() or {}
        if not self.errors and not self.changes:
            raise forms.ValidationError("Fill in what is to be the same in all of them.")
        return cleaned

    @property
    def changes(self) -> dict[str, Any]:
        """Return the columns that are filled in."""
        empty: tuple[Any, ...] = (None, "")
        return {name: value for name, value in self.cleaned_data.items() if value not in empty}
