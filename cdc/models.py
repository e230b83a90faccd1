"""The feed's own tables."""

from django.db import models


class Epoch(models.Model):
    """The database's life: a restored or re-created database starts a higher one (one row)."""

    value = models.BigIntegerField()
    """Milliseconds since 1970 at which this life began, or one more than the last."""

    class Meta:
        db_table = "cdc_epoch"

    def __str__(self) -> str:
        return str(self.value)


class OutboxRecord(models.Model):
    """A committed change that Kafka has not acknowledged yet; its id is its place in the order."""

    epoch = models.BigIntegerField()
    topic = models.CharField(max_length=249)
    key = models.CharField(max_length=255)
    """The Kafka key as text, such as `{"id":17}`."""
    op = models.CharField(max_length=1)
    before = models.BinaryField(null=True)
    """The row before the change, encoded as JSON."""
    after = models.BinaryField(null=True)
    """The row after the change, encoded as JSON."""
    ts_ms = models.BigIntegerField()
    """When it was captured, in milliseconds since 1970."""
    db = models.CharField(max_length=255)
    table = models.CharField(max_length=255)
    user = models.CharField(max_length=255, blank=True, default="")
    """Who changed it: a user's id, or a command's name."""
    traceparent = models.CharField(max_length=55, blank=True, default="")

    class Meta:
        db_table = "cdc_outbox"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.id} {self.op} {self.table} {self.key}"


class RelayLease(models.Model):
    """The right to publish, held by one relay until `expires_at` by the database's clock."""

    name = models.CharField(max_length=64, primary_key=True)
    owner = models.CharField(max_length=255, blank=True, default="")
    token = models.BigIntegerField(default=0)
    """Rises with each change of owner."""
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "cdc_relay_lease"

    def __str__(self) -> str:
        return f"{self.name}: {self.owner} until {self.expires_at}"


class Counter(models.Model):
    """How often something happened since the database was made."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "cdc_counter"

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class DeadLetter(models.Model):
    """A message or outbox row that cannot be applied; it holds nobody up."""

    group = models.CharField(max_length=255)
    """The consumer group; `relay` for rows that Kafka rejected."""
    topic = models.CharField(max_length=249)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    """Kafka's offset; the outbox id for rows that Kafka rejected."""
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    reason = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "cdc_dead_letter"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "topic", "partition", "offset"], name="cdc_dead_letter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.partition}:{self.offset} {self.reason}"
