"""Captures stories."""

from cdc.registry import Capture, register
from stories.models import Story

register(Capture(model=Story))
