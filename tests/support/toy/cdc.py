"""Captures toys."""

from cdc.api import Capture, register
from tests.support.toy.models import Branch, Bridge, Coupon, Label, Locker, Note, Ticket, Toy

register(Capture(model=Toy, topic="toy-events", collections=("toys",)))
register(Capture(model=Label, topic="toy-events", collections=("labels",)))
register(Capture(model=Ticket, topic="toy-events", collections=("tickets",)))
register(Capture(model=Note, topic="toy-events", collections=("notes",)))
register(Capture(model=Branch, topic="branch-events", collections=("branches",)))
register(Capture(model=Bridge, topic="bridge-events", collections=("bridges",)))
register(Capture(model=Coupon, topic="coupon-events", collections=("coupons",)))
register(Capture(model=Locker, topic="locker-events", collections=("lockers",)))
