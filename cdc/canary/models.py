"""The canary's tables: the row that is captured, and what was measured."""

from django.db import models

from cdc.capture.model import CapturedModel
from cdc.fields import MillisecondDateTimeField


class Canary(CapturedModel):
    """One row, saved again and again; its replica is a collection of its own."""

    name = models.CharField(max_length=32, primary_key=True)
    beat = models.BigIntegerField(default=0)
    sent_at = MillisecondDateTimeField()

    class Meta(CapturedModel.Meta):
        db_table = "cdc_canary"

    def __str__(self) -> str:
        return f"{self.name} {self.beat}"


class CanaryTrip(models.Model):
    """When the canary was sent and came back last; not captured, so that it makes no events."""

    name = models.CharField(max_length=32, primary_key=True)
    sent_at = models.DateTimeField()
    arrived_at = models.DateTimeField(null=True)
    """When the last one that came back did."""
    seconds = models.FloatField(null=True)
    """How long that one took, by one clock: from the save to its being seen in the replica."""

    class Meta:
        db_table = "cdc_canary_trip"

    def __str__(self) -> str:
        return f"{self.name}: {self.seconds} s at {self.arrived_at}"
