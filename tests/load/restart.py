"""A restart of the web process, while many clients read its event stream."""

import asyncio
import time

from tests.load.clients import Clients
from tests.load.readers import Writer, show
from tests.support.web import Web

_PATIENCE_SECONDS = 120.0


async def measure_restart(clients: Clients, writer: Writer, web: Web, before: int) -> bool:
    """Restart the web process. Return whether all clients received all changes once.

    `before` is the number of changes that were saved earlier.
    """
    writer.start()
    refused = clients.refused
    began = time.monotonic()
    await asyncio.to_thread(web.restart)
    served = time.monotonic() - began
    await clients.wait_until_returned(_PATIENCE_SECONDS)
    took = max(clients.returned, default=began) - began
    writer.stopped = True
    writer.join()
    await clients.wait_for(before + writer.saved, _PATIENCE_SECONDS)
    complete = set(clients.counts) == {before + writer.saved} and not clients.doubled
    verdict = "all received once" if complete else f"MISSING OR TWICE, {clients.counts}"
    show(
        f"restart: served after {served:.1f} s, {len(clients.returned)} clients back after "
        f"{took:.1f} s, at most {clients.most_at_once} within one second, "
        f"{clients.refused - refused} attempts refused, {writer.saved} changes: {verdict}",
        clients.delays,
    )
    return complete
