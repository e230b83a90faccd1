"""A Kafka client whose first requests reach a broker that has lost its role."""

from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from cdc.errors import Retryable
from tests.support.commands import retried

_REQUESTS = {"committed", "get_watermark_offsets", "offsets_for_times"}


class StaleClient:
    """A real client. Its next `left` requests for offsets fail with an error of Kafka."""

    def __init__(self, client: Consumer, error: int, left: int) -> None:
        self.left = left
        self._client, self._error = client, error

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._request(found) if name in _REQUESTS else found

    def _request(self, send: Any) -> Any:
        def request(*arguments: Any, **options: Any) -> Any:
            if self.left:
                self.left -= 1
                raise KafkaException(KafkaError(self._error))
            return retried(lambda: _sent(send, *arguments, **options))

        return request


def _sent(send: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return send(*arguments, **options)
    except KafkaException as error:  # The topic of the test may be new too.
        raise Retryable(str(error)) from error
