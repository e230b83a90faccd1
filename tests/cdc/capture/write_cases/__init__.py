"""All kinds of writes in Django, each with its expected events."""

from tests.cdc.capture.write_cases import bulk_create, many_rows, one_row, other_models
from tests.cdc.capture.write_cases.case import CASES, WriteCase

__all__ = ["CASES", "WriteCase", "bulk_create", "many_rows", "one_row", "other_models"]
