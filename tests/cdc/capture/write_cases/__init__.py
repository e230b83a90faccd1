"""Every kind of write that Django has, each with the events that it must have."""

from tests.cdc.capture.write_cases import bulk_create, many_rows, one_row, other_models
from tests.cdc.capture.write_cases.case import CASES, WriteCase

__all__ = ["CASES", "WriteCase", "bulk_create", "many_rows", "one_row", "other_models"]
