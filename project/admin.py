"""Lets the roles of the project decide who sees personal data in the admin pages of `cdc`."""

from cdc.admin_readers import ForAudience
from users.roles import feed_audience

ForAudience.audience_of = staticmethod(feed_audience)
