"""The tables of `cdc`."""

from typing import Any, NoReturn

from django.db import models

from cdc.errors import Refused
from cdc.fields import ExactCharField

_APPEND_ONLY = "The operator log is append-only: add a row instead."


class Epoch(models.Model):
    """The database's epoch (one row). A restored or recreated database gets a higher epoch."""

    value = models.BigIntegerField()
    """The time at which the epoch began, in milliseconds since 1970, or the highest known earlier
    epoch plus one if that is higher."""

    class Meta:
        db_table = "cdc_epoch"
        # The value has no index. In an index, an insert into the outbox could wait for the lock on
        # the old row, then continue only downwards, and find no epoch if that row was deleted.

    def __str__(self) -> str:
        return str(self.value)


class OutboxRecord(models.Model):
    """A change, kept until it is published. Epoch and id define the order of a row's changes."""

    epoch = models.BigIntegerField()
    topic = models.CharField(max_length=249)
    key = models.CharField(max_length=255)
    """The Kafka key as text, such as `{"id":17}`."""
    op = models.CharField(max_length=1)
    before = models.BinaryField(null=True)
    """The row before the change, or only its key, encoded as JSON."""
    after = models.BinaryField(null=True)
    """The row after the change, encoded as JSON."""
    ts_ms = models.BigIntegerField()
    """The time of capture, in milliseconds since 1970."""
    db = models.CharField(max_length=255)
    table = models.CharField(max_length=255)
    user = models.CharField(max_length=255, blank=True, default="")
    """The actor, such as a user's id or the name of a command."""
    traceparent = models.CharField(max_length=55, blank=True, default="")

    class Meta:
        db_table = "cdc_outbox"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.id} {self.op} {self.table} {self.key}"


class RelayLease(models.Model):
    """The lease that allows one relay to publish, until `expires_at` by the database's clock."""

    name = models.CharField(max_length=64, primary_key=True)
    owner = models.CharField(max_length=255, blank=True, default="")
    token = models.BigIntegerField(default=0)
    """A number that is incremented each time the lease is taken."""
    mark = models.BigIntegerField(default=0, db_default=0)
    """The id after which the next relay starts. Each id up to it is published or never used."""
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "cdc_relay_lease"

    def __str__(self) -> str:
        return f"{self.name}: {self.owner or 'no owner'}"


class Counter(models.Model):
    """A counter of the pipeline, such as the number of retries since the database was created."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "cdc_counter"

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class DaemonError(models.Model):
    """The last error of a process that retries. The row is deleted when the process recovers."""

    process = ExactCharField(max_length=255, primary_key=True)
    """The kind and the name of the process, such as `relay web-1:42:1f2e3d4c`."""
    error = models.TextField()
    since = models.DateTimeField()
    """The time of the first error since the process last succeeded."""
    last_at = models.DateTimeField()
    attempts = models.BigIntegerField()
    """The number of failed attempts since the process last succeeded."""

    class Meta:
        db_table = "cdc_daemon_error"

    def __str__(self) -> str:
        return self.process


class Checkpoint(models.Model):
    """The point at which long-running work resumes after a stop; deleted when the work is done."""

    name = ExactCharField(max_length=255, primary_key=True)
    """The name of the work and a digest of its arguments."""
    state = models.TextField()
    """JSON in a format that the work defines."""
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "cdc_checkpoint"

    def __str__(self) -> str:
        return self.name


class ReconcileRun(models.Model):
    """The result of one finished reconciliation."""

    finished_at = models.DateTimeField()
    equal = models.BooleanField()
    """Whether the database and the replica were equal at the end."""
    result = models.TextField()
    """The output of `reconcile --json`."""

    class Meta:
        db_table = "cdc_reconcile_run"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.finished_at:%F %T}: {'equal' if self.equal else 'different'}"


class ConsumerPause(models.Model):
    """A pause of the consumers of a group; the row is deleted when the consumers resume."""

    group = ExactCharField(max_length=255, primary_key=True)
    who = models.CharField(max_length=255)
    """The actor who paused the consumers, in the format of `OperatorAction.who`."""
    why = models.TextField(blank=True, default="")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "cdc_consumer_pause"

    def __str__(self) -> str:
        return f"{self.group}: paused by {self.who} at {self.at:%F %T}"


class JobState(models.TextChoices):
    WAITING = "waiting", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class Job(models.Model):
    """Long-running work that a page, a command or the relay requests, and that `run_jobs` runs."""

    kind = models.CharField(max_length=32)
    arguments = models.TextField()
    """JSON in a format that depends on the kind."""
    state = models.CharField(max_length=9, choices=JobState, default=JobState.WAITING)
    asked_by = models.CharField(max_length=255)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    """The time of the last heartbeat of the process that runs the job, by the database's clock."""
    finished_at = models.DateTimeField(null=True)
    owner = models.CharField(max_length=255, blank=True, default="")
    """The process that runs the job; empty after the process has released the job."""
    expires_at = models.DateTimeField(null=True)
    """The time from which another process may claim the job, by the database's clock."""
    crashes = models.IntegerField(default=0)
    """The number of times that a process ended without releasing the job."""
    cancel = models.BooleanField(default=False)
    """Whether the cancellation of the job was requested."""
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    """The number of rows to process, counted at the start; 0 if unknown."""
    said = models.TextField(blank=True, default="")
    """The latest messages of the job, one per line."""
    result = models.TextField(blank=True, default="")
    """The result of the job, as lines of text."""

    class Meta:
        db_table = "cdc_job"
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="cdc_job_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.state}"


class DeadLetterStatus(models.TextChoices):
    WAITING = "waiting", "waiting"
    REPLAYED = "replayed", "replayed"
    """The current state of the row was sent through the outbox."""
    DISCARDED = "discarded", "discarded"


class DeadLetter(models.Model):
    """A message that cannot be applied, or an outbox row that Kafka rejected."""

    group = ExactCharField(max_length=255)
    """The consumer group that rejected the message; `relay` for outbox rows."""
    topic = ExactCharField(max_length=249)
    topic_id = ExactCharField(max_length=64, blank=True, default="")
    """Kafka's id of the topic; the epoch for outbox rows."""
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    """The offset in Kafka; the outbox id for outbox rows."""
    table = models.CharField(max_length=255, blank=True, default="")
    """The table that the message names, captured or not; empty if the message names no table."""
    key_text = models.CharField("key", max_length=255, blank=True, default="")
    """The key in printable form, shortened."""
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    """The value of the message, truncated if it is very long."""
    size = models.BigIntegerField(null=True)
    """The size of the complete value in bytes."""
    reason = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(
        max_length=9, choices=DeadLetterStatus, default=DeadLetterStatus.WAITING, db_index=True
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=255, blank=True, default="")
    why = models.TextField(blank=True, default="")
    """The reason for the replay or the discard."""
    may_differ = models.BooleanField(default=False, db_default=False, db_index=True)
    """Whether a discard may have left documents that differ from the row."""

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
        return f"{self.topic} {self.partition}:{self.offset}"  # Not the reason: it may be private.


class AppendOnlyQuerySet(models.QuerySet["OperatorAction"]):
    """Raises Refused for every update and delete."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise Refused(_APPEND_ONLY)

    update = bulk_update = delete = _refuse

    def bulk_create(self, objs: Any, batch_size: Any = None, *args: Any, **options: Any) -> Any:
        """Insert rows; raise Refused if rows that conflict would be updated or ignored."""
        unsafe = any((*args, *options.values()))
        return self._refuse() if unsafe else super().bulk_create(objs, batch_size)


class OperatorAction(models.Model):
    """An entry of the operator log: an action, its actor and the reason. Append-only."""

    who = models.CharField(max_length=255)
    """A user's id, `os:` and the operating system's user for a command, or `relay`."""
    what = models.CharField(max_length=32)
    """A verb, such as `replay` or `discard`."""
    target = models.CharField(max_length=255)
    """The object of the action, such as a job or a dead letter."""
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
        """Insert the row; raise Refused if the row already exists."""
        if not self._state.adding:
            raise Refused(_APPEND_ONLY)
        super().save(*args, **{**options, "force_insert": True})

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise Refused(_APPEND_ONLY)
