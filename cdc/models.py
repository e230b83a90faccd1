"""The feed's own tables."""

from typing import Any, NoReturn

from django.db import models

from cdc.errors import Refused
from cdc.fields import ExactCharField

_APPEND_ONLY = "What operators did stays as it was written: add a row that says what is new."


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
        return f"{self.name}: {self.owner or 'nobody'}"


class Counter(models.Model):
    """How often something happened since the database was made."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "cdc_counter"

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class Checkpoint(models.Model):
    """Where a long piece of work goes on after a stop; the row is gone when the work is done."""

    name = ExactCharField(max_length=255, primary_key=True)
    """The work and a digest of its arguments."""
    state = models.TextField()
    """JSON, as the work understands it."""
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "cdc_checkpoint"

    def __str__(self) -> str:
        return self.name


class ReconcileRun(models.Model):
    """The result of one finished reconciliation."""

    finished_at = models.DateTimeField()
    equal = models.BooleanField()
    """Whether no difference was left."""
    result = models.TextField()
    """What `reconcile --json` printed."""

    class Meta:
        db_table = "cdc_reconcile_run"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.finished_at:%F %T}: {'equal' if self.equal else 'different'}"


class ConsumerPause(models.Model):
    """The consumers of a group are to hold still; the row is gone when they go on."""

    group = ExactCharField(max_length=255, primary_key=True)
    who = models.CharField(max_length=255)
    """An actor, as in `OperatorAction`."""
    why = models.TextField(blank=True, default="")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "cdc_consumer_pause"

    def __str__(self) -> str:
        return f"{self.group}: paused by {self.who} at {self.at:%F %T}"


class JobState(models.TextChoices):
    """Where a piece of long work stands."""

    WAITING = "waiting", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class Job(models.Model):
    """Long work that somebody asked for on a page; `run_jobs` does it, one after the other."""

    kind = models.CharField(max_length=32)
    arguments = models.TextField()
    """JSON, as the kind understands it."""
    state = models.CharField(max_length=9, choices=JobState, default=JobState.WAITING)
    asked_by = models.CharField(max_length=255)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    """When its process last said that it works, by the database's clock."""
    finished_at = models.DateTimeField(null=True)
    owner = models.CharField(max_length=255, blank=True, default="")
    """Which process has it; empty when it was given back."""
    expires_at = models.DateTimeField(null=True)
    """When another process may take it, by the database's clock."""
    crashes = models.IntegerField(default=0)
    """How often its process ended without giving it back."""
    cancel = models.BooleanField(default=False)
    """Somebody wants it to end."""
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    """Rows that are to be done, as counted when it began; 0 when that is not known."""
    said = models.TextField(blank=True, default="")
    """The last lines that it had to say."""
    result = models.TextField(blank=True, default="")
    """What came of it, in lines."""

    class Meta:
        db_table = "cdc_job"
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="cdc_job_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.state}"


class DeadLetterStatus(models.TextChoices):
    """What became of a dead letter."""

    WAITING = "waiting", "waiting"
    REPLAYED = "replayed", "replayed"
    """The row that it was about was sent again as it is."""
    DISCARDED = "discarded", "discarded"


class DeadLetter(models.Model):
    """A message or outbox row that cannot be applied; it holds nobody up."""

    group = ExactCharField(max_length=255)
    """The consumer group; `relay` for rows that Kafka rejected."""
    topic = ExactCharField(max_length=249)
    topic_id = ExactCharField(max_length=64, blank=True, default="")
    """Tells a topic from a later one of the same name; empty for rows that Kafka rejected."""
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    """Kafka's offset; the outbox id for rows that Kafka rejected."""
    table = models.CharField(max_length=255, blank=True, default="")
    """The table that the message names, captured or not; empty when it names none."""
    key_text = models.CharField("key", max_length=255, blank=True, default="")
    """The key to be read by people: printable, cut."""
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    """The message, cut where it is very long."""
    size = models.BigIntegerField(null=True)
    """The bytes that the whole message has."""
    reason = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(
        max_length=9, choices=DeadLetterStatus, default=DeadLetterStatus.WAITING, db_index=True
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=255, blank=True, default="")
    why = models.TextField(blank=True, default="")
    """Why it was replayed or discarded."""

    class Meta:
        db_table = "cdc_dead_letter"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "topic", "topic_id", "partition", "offset"],
                name="cdc_dead_letter_once",
            )
        ]
        permissions = [("resolve_deadletter", "Can replay and discard dead letters")]

    def __str__(self) -> str:
        return f"{self.topic} {self.partition}:{self.offset} {self.reason}"


class AppendOnlyQuerySet(models.QuerySet["OperatorAction"]):
    """Rows that are added and read, and nothing else."""

    def update(self, **_: Any) -> NoReturn:
        """Refuse."""
        raise Refused(_APPEND_ONLY)

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse."""
        raise Refused(_APPEND_ONLY)

    def delete(self) -> NoReturn:
        """Refuse."""
        raise Refused(_APPEND_ONLY)


class OperatorAction(models.Model):
    """Who did what to the feed by hand, and why: rows are added, never changed or deleted."""

    who = models.CharField(max_length=255)
    """A user's id, or `os:` and the operating system's user for a command."""
    what = models.CharField(max_length=32)
    """A verb, such as `replay` or `discard`."""
    target = models.CharField(max_length=255)
    """What it was done to."""
    why = models.TextField(blank=True, default="")
    at = models.DateTimeField(auto_now_add=True)

    objects = models.Manager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        db_table = "cdc_operator_action"
        ordering = ["-id"]
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self.who}: {self.what} {self.target}"

    def save(self, *args: Any, **options: Any) -> None:
        """Add the row; raises Refused for one that is there already."""
        if not self._state.adding:
            raise Refused(_APPEND_ONLY)
        super().save(*args, **{**options, "force_insert": True})

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse."""
        raise Refused(_APPEND_ONLY)
