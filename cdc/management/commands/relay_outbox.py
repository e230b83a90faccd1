"""`manage.py relay_outbox`."""

from typing import Any

from cdc.conf import cdc_settings
from cdc.daemons.relay import run_relay
from cdc.runtime.command import DaemonCommand


class Command(DaemonCommand):
    help = (
        "Publish the outbox to Kafka until SIGTERM. Any number of relays may run: one relay "
        "publishes, and the others stand by."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        run_relay(cdc_settings())
