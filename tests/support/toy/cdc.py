"""The captures of the toy application."""

from cdc.api import Capture, register
from tests.support.toy.models import (
    Branch,
    Bridge,
    Coupon,
    Hour,
    Label,
    Lid,
    Locker,
    Note,
    Sample,
    Sticker,
    Ticket,
    Toy,
)

register(Capture(model=Toy, topic="toy-events", collections=("toys",)))
register(Capture(model=Label, topic="toy-events", collections=("labels",)))
register(Capture(model=Ticket, topic="toy-events", collections=("tickets",)))
register(Capture(model=Hour, topic="toy-events", collections=("hours",)))
register(Capture(model=Lid, topic="toy-events", collections=("lids",)))
register(Capture(model=Sample, topic="toy-events", collections=("samples",)))
register(Capture(model=Sticker, topic="sticker-events", collections=("stickers",)))
register(Capture(model=Note, topic="note-events", collections=("notes",)))
register(Capture(model=Branch, topic="branch-events", collections=("branches",)))
register(Capture(model=Bridge, topic="bridge-events", collections=("bridges",)))
register(Capture(model=Coupon, topic="coupon-events", collections=("coupons",)))
register(Capture(model=Locker, topic="locker-events", collections=("lockers",)))
