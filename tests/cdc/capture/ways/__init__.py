"""Every way that Django has to change a story, each with the events that it must give."""

from tests.cdc.capture.ways import bulk_create, many_rows, one_row, other_models
from tests.cdc.capture.ways.way import WAYS, Way

__all__ = ["WAYS", "Way", "bulk_create", "many_rows", "one_row", "other_models"]
