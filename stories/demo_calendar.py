"""The times at which demo stories are submitted in a year: fewer at weekends and at night."""

import math
import random
from datetime import datetime, timedelta

DAYS = 365
# The relative number of stories in each hour of the day (UTC), beginning at midnight.
_HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 11, 10, 9, 10, 10, 9, 8, 8, 9, 10, 11, 11, 9, 6, 4)
_WEEKDAYS = (1.1, 1.15, 1.1, 1.1, 1.0, 0.6, 0.7)
_AVERAGE = sum(_HOURS) / len(_HOURS)
_SLOWEST, _WAVE_SECONDS, _WAVE = 0.5, 900, 0.35


def moments(count: int, now: datetime) -> list[datetime]:
    """Return `count` moments in the year before `now`, oldest first.

    The same arguments give the same moments. The last months have more moments than the first,
    weekends have fewer, and nights have few. No moment is later than `now`.
    """
    rng = random.Random(count)  # noqa: S311 -- not for security
    days = [now - timedelta(days=DAYS - number) for number in range(1, DAYS + 1)]
    weights = [
        (0.5 + number / DAYS) * _WEEKDAYS[day.weekday()] * rng.uniform(0.7, 1.3)
        for number, day in enumerate(days)
    ]
    chosen = rng.choices(days, weights, k=count)
    return sorted(_in_a_day(rng, day, now) for day in chosen)


def _in_a_day(rng: random.Random, day: datetime, now: datetime) -> datetime:
    """Return a moment of a day; if it is in the future, the same time on the previous day."""
    [hour] = rng.choices(range(24), _HOURS)
    moment = day.replace(hour=hour, minute=rng.randrange(60), second=rng.randrange(60))
    return moment if moment < now else moment - timedelta(days=1)


def rhythm(moment: datetime) -> float:
    """Return the speed of demo traffic at a moment, relative to the average.

    The speed is between 0.4 and 1.5. The average over a day is about 1. Waves of 15 minutes vary
    the speed within each hour.
    """
    hour = moment.hour + moment.minute / 60
    first, second = int(hour) % 24, (int(hour) + 1) % 24
    share = _HOURS[first] + (_HOURS[second] - _HOURS[first]) * (hour % 1)
    wave = math.sin(2 * math.pi * (moment.timestamp() % _WAVE_SECONDS) / _WAVE_SECONDS)
    return _SLOWEST + (1 - _SLOWEST) * share / _AVERAGE + _SLOWEST * _WAVE * wave
