"""Toys: models with text keys, references to themselves and generic relations."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from cdc.api import CapturedModel
from cdc.fields import MillisecondDateTimeField
from tests.support.toy.twins import (
    Branch,
    Bridge,
    Coupon,
    Locker,
    PlainBranch,
    PlainBridge,
    PlainCoupon,
    PlainTwig,
    Twig,
)

__all__ = [
    "Box",
    "Branch",
    "Bridge",
    "Coupon",
    "Label",
    "Locker",
    "Note",
    "PlainBranch",
    "PlainBridge",
    "PlainCoupon",
    "PlainTwig",
    "RedToy",
    "Ticket",
    "Toy",
    "Twig",
]


class Box(models.Model):
    """A model that is not captured. Captured toys refer to it."""

    name = models.CharField(max_length=20)
    notes = GenericRelation("toy.Note", object_id_field="object_id")

    class Meta:
        app_label = "toy"

    def __str__(self) -> str:
        return self.name


class Toy(CapturedModel):
    name = models.CharField(max_length=20, unique=True, db_column="toyName")
    box = models.ForeignKey(Box, null=True, on_delete=models.CASCADE, related_name="toys")
    part_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="parts")
    place = models.IntegerField(null=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    weight = models.FloatField(null=True)
    made_on = models.DateField(null=True)
    code = models.UUIDField(null=True, unique=True)
    shiny = models.BooleanField(db_default=True)
    seen = MillisecondDateTimeField(null=True)
    data = models.JSONField(null=True)
    notes = GenericRelation("toy.Note", object_id_field="object_id")

    class Meta(CapturedModel.Meta):
        app_label = "toy"
        constraints = [models.UniqueConstraint(fields=["box", "place"], name="toy_one_place")]

    def __str__(self) -> str:
        return self.name


class RedToy(Toy):
    """A proxy of Toy."""

    class Meta(CapturedModel.Meta):
        app_label = "toy"
        proxy = True

    def __str__(self) -> str:
        return f"red {self.name}"


class Label(CapturedModel):
    """Has a key of type text, and `select_on_save`."""

    text = models.CharField(max_length=80, primary_key=True)
    size = models.IntegerField(default=1)

    class Meta(CapturedModel.Meta):
        app_label = "toy"
        select_on_save = True

    def __str__(self) -> str:
        return self.text


class Ticket(CapturedModel):
    """Has a UUID as its key, which is text in JSON."""

    code = models.UUIDField(primary_key=True)
    seat = models.IntegerField(default=1)

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return str(self.code)


class Sticker(CapturedModel):
    """The table of the many-to-many field `Lid.labels`."""

    lid = models.ForeignKey("Lid", on_delete=models.CASCADE)
    label = models.ForeignKey(Label, on_delete=models.CASCADE)

    class Meta(CapturedModel.Meta):
        app_label = "toy"
        constraints = [models.UniqueConstraint(fields=["lid", "label"], name="toy_one_sticker")]

    def __str__(self) -> str:
        return f"{self.label_id} on {self.lid_id}"


class Hour(CapturedModel):
    """Has a time as its key."""

    at = MillisecondDateTimeField(primary_key=True)
    seat = models.IntegerField(default=1)

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return str(self.at)


class Lid(CapturedModel):
    """Has the key of its box as its own key."""

    box = models.OneToOneField(Box, primary_key=True, on_delete=models.CASCADE)
    seat = models.IntegerField(default=1)
    labels = models.ManyToManyField(Label, through=Sticker, related_name="lids")

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return f"lid {self.pk}"


class Sample(CapturedModel):
    """Has a column of each type, and none of them may be null."""

    number = models.IntegerField(primary_key=True)
    day = models.DateField(default="2010-03-16")
    at = models.TimeField(default="20:36:41")
    seen = MillisecondDateTimeField(default="2010-03-16T20:36:41Z")
    count = models.PositiveBigIntegerField(default=1)
    weight = models.FloatField(default=0.5)
    price = models.DecimalField(max_digits=8, decimal_places=2, default="1.50")
    code = models.UUIDField(default="12345678123456781234567812345678")
    shiny = models.BooleanField(default=True)
    words = models.TextField(default="a")
    data = models.JSONField(default=dict)
    place = models.IntegerField(default=1)

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return f"sample {self.number}"


class Note(CapturedModel):
    """Refers to a row of any model by a generic foreign key."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveBigIntegerField()
    subject = GenericForeignKey("content_type", "object_id")
    words = models.TextField()

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return self.words
