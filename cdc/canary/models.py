"""The canary's tables: the captured row, and the measurement."""

from django.db import models

from cdc.capture.model import CapturedModel
from cdc.fields import MillisecondDateTimeField


class Canary(CapturedModel):
    """A row that is saved repeatedly; it is replicated to its own collection."""

    name = models.CharField(max_length=32, primary_key=True)
    beat = models.BigIntegerField(default=0)
    sent_at = MillisecondDateTimeField()

    class Meta(CapturedModel.Meta):
        db_table = "cdc_canary"

    def __str__(self) -> str:
        return f"{self.name} {self.beat}"


class CanaryTrip(models.Model):
    """The times at which the canary was last sent and last arrived. This model is not captured."""

    name = models.CharField(max_length=32, primary_key=True)
    sent_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    """The time since which the canary has been sent without a long break."""
    arrived_at = models.DateTimeField(null=True)
    """The arrival time of the last canary that arrived."""
    seconds = models.FloatField(null=True)
    """The latency of the last canary that arrived, from its save until it was in the replica."""

    class Meta:
        db_table = "cdc_canary_trip"

    def __str__(self) -> str:
        return f"{self.name}: {self.seconds} s at {self.arrived_at}"
