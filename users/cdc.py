"""Registers the job that deletes accounts."""

from cdc.operations import register_job
from users.deletion.accounts import DELETION_JOB

register_job(DELETION_JOB)
