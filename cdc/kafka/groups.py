"""Describes consumer groups."""

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._group import ConsumerGroupDescription

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.client import Renewed, client_config
from cdc.kafka.refusals import ErrorLog

if TYPE_CHECKING:
    from concurrent.futures import Future

_LONGEST_SECONDS = 3600
"""The longest request timeout that the library accepts."""


class Groups:
    """Describes groups by requests to their coordinators.

    If such a request times out in librdkafka 2.16, the process ends with a failed assertion as soon
    as a broker changes its state (`rd_kafka_enq_once_del_source_return`). Therefore the requests
    have a timeout that is never reached: a client that gets no answer in time is replaced.
    """

    def __init__(self, settings: CdcSettings) -> None:
        self._errors = ErrorLog(settings)
        self._admin = Renewed(
            AdminClient, client_config(settings, error_cb=self._errors), self._errors
        )

    def members(self, name: str) -> int:
        """Return the number of consumers in a group; 0 if Kafka does not know the group.

        Raise Retryable if Kafka does not respond.
        """
        try:
            return len(self._describe(name).members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise self._unavailable(name, error) from error

    def may_read(self, name: str) -> bool:
        """Return whether this client has the right to read in a group; True for an unknown group.

        Raise Retryable if Kafka does not respond.
        """
        try:
            found = self._describe(name, with_rights=True).authorized_operations
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return True
            if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                return False
            raise self._unavailable(name, error) from error
        return AclOperation.READ in (found or AclOperation)

    def request(
        self, name: str, *, with_rights: bool = False
    ) -> "Future[ConsumerGroupDescription]":
        """Request the description of a group; the future raises KafkaException.

        Call `renew` if the future is not done in time.
        """
        return self._admin().describe_consumer_groups(
            [name], include_authorized_operations=with_rights, request_timeout=_LONGEST_SECONDS
        )[name]

    def renew(self) -> None:
        """Replace the client, and forget its requests."""
        self._admin.renew()

    def _describe(self, name: str, *, with_rights: bool = False) -> ConsumerGroupDescription:
        request = self.request(name, with_rights=with_rights)
        try:
            return self._errors.answer(self._admin(), request)
        except TimeoutError as error:
            unavailable = self._unavailable(name, error)
            self.renew()
            raise unavailable from error

    def _unavailable(self, name: str, error: BaseException) -> Retryable:
        return self._errors.unavailable("describe the group", name, error)
