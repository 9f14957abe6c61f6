# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When a person may be texted: the clocks that count, and when they next allow it.

Two steps. :func:`zones_for` says whose clocks count for a number, :func:`next_open`
says from when on all of them are outside the quiet hours. Both may be called for
every text: the first remembers numbers, the second what it knows of a zone's day.

Everything is reckoned from the universal time line to local clocks, never back. So a
local time that a change of clocks skips or repeats needs no rule of its own.

Pure Python without ``odoo``.
"""

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
import pytz
from phonenumbers.timezone import time_zones_for_number

UTC = "UTC"
# A number that may be anywhere in a wide country: without a common open moment
# within so many days, its first zone decides alone.
COMMON_DAYS = 3
# With holidays the search goes so far. Beyond, they do not count any more.
HOLIDAY_DAYS = 14

_EPOCH = datetime(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_NO_ZONE = "Etc/Unknown"


@lru_cache(maxsize=8192)
def zones_for(number, contact_tz=None, contact_country=None, company_tz=None):
    """Return the time zones in which a text to a number must be welcome.

    The contact's own zone counts alone where it is plausible: where the clocks at the
    number go like it, or those of the contact's country, when that is not the number's.
    Odoo writes the zone of whoever makes a contact on it, so another one only adds to
    the zones of the number. Without a zone of the contact, the number's count, else
    those of its country, of the contact's country, of the company, else UTC.

    :param str number: E.164; anything else counts as a number of no country
    :param str contact_tz: IANA name, may be unset or invalid
    :param str contact_country: ISO 3166 code of two letters, may be unset
    :param str company_tz: IANA name, may be unset or invalid
    :return: tuple of IANA names, at least one, no two of which go alike; the first is
        the one that decides where they have no open moment in common
    """
    return _choose(*_read_number(number), contact_tz, contact_country, company_tz)


def country_of(number):
    """Return the country of a number, ISO 3166, or None where it has none.

    :param str number: E.164; anything else has none
    """
    region = _read_number(number)[0]
    # Such as +881 have "001".
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def next_open(at, zones, quiet_from, quiet_to, is_holiday=None):
    """Return the first moment from ``at`` on at which nobody is disturbed.

    It is open where in each zone the clock is outside the quiet hours and the local
    date is no holiday. Without such a moment within ``COMMON_DAYS``, or
    ``HOLIDAY_DAYS`` with holidays, the first zone decides alone. Holidays without an
    end do not count.

    :param datetime at: naive UTC
    :param zones: IANA names, as from :func:`zones_for`; invalid ones do not count,
        none at all counts as UTC
    :param float quiet_from: local hour from which it is quiet, e.g. 21.5 for 21:30
    :param float quiet_to: local hour at which that ends, e.g. 8.0; quiet hours that
        end before they begin go on past midnight, and those that end where they begin
        are none
    :param is_holiday: function of a local ``date`` that says whether that whole day
        is quiet, or None
    :return: naive UTC datetime, exactly ``at`` when that is open
    """
    start, end = _clock_us(quiet_from), _clock_us(quiet_to)
    if start == end and is_holiday is None:
        return at
    zones = [zone for zone in zones if _load(zone)] or [UTC]
    now = _to_us(at)
    try:
        found = _find_open(now, zones, start, end, is_holiday)
    except (OverflowError, ValueError):
        return at  # beyond the years that a calendar has
    if found is None or found == now:
        return at
    return _EPOCH + timedelta(microseconds=found)


# --------------------------------------------------------------------------
# Zones
# --------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _load(zone):
    """Return the ZoneInfo of a name, or None for what is not the name of a zone."""
    if not isinstance(zone, str) or not zone:
        return None
    try:
        return ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        return None


@lru_cache(maxsize=8192)
def _choose(region, zones, contact_tz, contact_country, company_tz):
    """Return the zones that count, as :func:`zones_for` promises them.

    Numbers are many, what is known of them is little: that is what is remembered.
    """
    region_zones = _country_zones(region)
    country_zones = _country_zones(contact_country)
    contact_tz = contact_tz if _load(contact_tz) else None
    company_tz = company_tz if _load(company_tz) else None
    if contact_tz:
        known = zones or region_zones or country_zones
        if contact_country and contact_country != region:
            # Who lives abroad with a number from home.
            known += country_zones
        if not known or _rules(contact_tz) in map(_rules, known):
            return (contact_tz,)
    zones = _distinct(zones or region_zones or country_zones)
    if len(zones) > 1:
        # Where one zone has to decide: the company's if the number may be there,
        # else the one in the middle, which is the least wrong for all.
        first = sorted(zones, key=_rules)[len(zones) // 2]
        if company_tz and _rules(company_tz) in map(_rules, zones):
            first = company_tz
        zones = _distinct((first, *zones))
    if contact_tz:
        return _distinct((*zones, contact_tz))
    return zones or (company_tz or UTC,)


@lru_cache(maxsize=8192)
def _read_number(number):
    """Return the region code of a number, or None, and the zones it may be in."""
    try:
        parsed = phonenumbers.parse(number or "")
    except phonenumbers.NumberParseException:
        return None, ()
    zones = time_zones_for_number(parsed)
    return (
        phonenumbers.region_code_for_number(parsed),
        tuple(zone for zone in zones if zone != _NO_ZONE and _load(zone)),
    )


@lru_cache(maxsize=512)
def _country_zones(country):
    """Return the zones of a country's code, none for an unknown one."""
    try:
        zones = pytz.country_timezones[country]
    except (KeyError, TypeError, AttributeError):
        return ()
    return tuple(zone for zone in zones if _load(zone))


def _rules(zone):
    """Return what is equal for zones whose clocks go alike, and sorts west to east.

    Names are no good for that: a zone has several, and many zones have been one for
    decades.
    """
    return _rules_from(zone, date.today().year)


@lru_cache(maxsize=1024)
def _rules_from(zone, year):
    begin = date(year, 1, 1).toordinal() - _EPOCH_ORDINAL
    days = range(begin, begin + 400)
    offsets = tuple(_offset_us(zone, day * _DAY_US) for day in days)
    changes = tuple(
        _spans(zone, day)
        for day, offset, following in zip(days, offsets, offsets[1:], strict=False)
        if offset != following
    )
    return offsets, changes


def _distinct(zones):
    """Return zones in order without those that go like an earlier one."""
    found = {}
    for zone in zones:
        found.setdefault(_rules(zone), zone)
    return tuple(found.values())


# --------------------------------------------------------------------------
# Times, as whole microseconds since 1970 on the universal time line
# --------------------------------------------------------------------------


def _to_us(at):
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _clock_us(hour):
    """Return a local hour as microseconds since midnight, to the second."""
    return round((hour or 0.0) % 24 * 3600) % 86_400 * 1_000_000


def _offset_us(zone, now):
    """Return what a zone's clocks are ahead of UTC at a moment."""
    moment = (_EPOCH + timedelta(microseconds=now)).replace(tzinfo=timezone.utc)
    offset = moment.astimezone(_load(zone)).utcoffset()
    return (offset.days * 86_400 + offset.seconds) * 1_000_000


@lru_cache(maxsize=8192)
def _spans(zone, day):
    """Return how a zone's clocks go during a UTC day.

    :param int day: days since 1970
    :return: tuple of (end, offset), in order, the last ending with the day
    """
    begin, end = day * _DAY_US, (day + 1) * _DAY_US
    spans, offset = [], _offset_us(zone, begin)
    for hour in range(1, 25):
        later = begin + hour * _HOUR_US
        offset_later = _offset_us(zone, later)
        if offset_later == offset:
            continue
        # Changes of clocks happen at full seconds.
        low, high = 0, 3600
        while high - low > 1:
            middle = (low + high) // 2
            if _offset_us(zone, later - _HOUR_US + middle * 1_000_000) == offset:
                low = middle
            else:
                high = middle
        spans.append((later - _HOUR_US + high * 1_000_000, offset))
        offset = offset_later
    if not spans or spans[-1][0] < end:
        spans.append((end, offset))
    return tuple(spans)


def _find_open(now, zones, start, end, is_holiday):
    """Return what :func:`next_open` promises; all times as in this section."""
    horizon = now + (HOLIDAY_DAYS if is_holiday else COMMON_DAYS) * _DAY_US
    found = _common_open(now, zones, start, end, is_holiday, horizon)
    if found is None and len(zones) > 1:
        found = _zone_open(now, zones[0], start, end, is_holiday, horizon)
    if found is None:
        found = _zone_open(now, zones[0], start, end, None, horizon)
    return found


def _zone_open(now, zone, start, end, is_holiday, horizon):
    """Return the first open moment of one zone, or None before the horizon ends."""
    while now <= horizon:
        span_end, offset = next(
            span for span in _spans(zone, now // _DAY_US) if now < span[0]
        )
        day, clock = divmod(now + offset, _DAY_US)
        wait = 0
        if is_holiday and is_holiday(date.fromordinal(day + _EPOCH_ORDINAL)):
            wait = _DAY_US - clock
        elif start < end:
            if start <= clock < end:
                wait = end - clock
        elif end < start:
            if clock < end:
                wait = end - clock
            elif clock >= start:
                wait = _DAY_US - clock + end
        if not wait:
            return now
        # Beyond the change of clocks, or just beyond midnight UTC, look again.
        now = min(now + wait, span_end)
    return None


def _common_open(now, zones, start, end, is_holiday, horizon):
    """Return the first open moment of all zones, or None before the horizon ends."""
    agreed, turn = 0, 0
    while agreed < len(zones):
        zone = zones[turn % len(zones)]
        found = _zone_open(now, zone, start, end, is_holiday, horizon)
        if found is None:
            return None
        agreed = agreed + 1 if found == now else 1
        now, turn = found, turn + 1
    return now
