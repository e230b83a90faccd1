"""The canary's tables: the captured row, and the measurement."""

from django.db import models

from cdc.capture.model import CapturedModel
from cdc.fields import MillisecondDateTimeField


class Canary(CapturedModel):
    """One row that is saved again and again; it has its own replica collection."""

    name = models.CharField(max_length=32, primary_key=True)
    beat = models.BigIntegerField(default=0)
    sent_at = MillisecondDateTimeField()

    class Meta(CapturedModel.Meta):
        db_table = "cdc_canary"

    def __str__(self) -> str:
        return f"{self.name} {self.beat}"


class CanaryTrip(models.Model):
    """When the canary was last sent and last arrived; not captured, so it makes no events."""

    name = models.CharField(max_length=32, primary_key=True)
    sent_at = models.DateTimeField()
    arrived_at = models.DateTimeField(null=True)
    """Of the last canary that arrived."""
    seconds = models.FloatField(null=True)
    """Its latency by one clock, from the save until it was seen in the replica."""

    class Meta:
        db_table = "cdc_canary_trip"

    def __str__(self) -> str:
        return f"{self.name}: {self.seconds} s at {self.arrived_at}"
