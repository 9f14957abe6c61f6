# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Quiet hours: whose clocks count, and the first moment at which all of them allow a
text, held against an oracle that goes through the minutes."""

import random
import time
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from odoo.tests import BaseCase, TransactionCase, tagged

from ..tools import quiet_hours

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE, AUCKLAND = "Australia/Lord_Howe", "Pacific/Auckland"
MINUTE = timedelta(minutes=1)

# Label, moment (UTC), zones, quiet from, quiet to, first open moment (UTC).
ROWS = [
    # Europe/Berlin: UTC+1 in winter, UTC+2 in summer.
    ("at noon", "2026-06-01 10:00", BERLIN, 21, 8, "2026-06-01 10:00"),
    ("at night", "2026-06-01 22:00", BERLIN, 21, 8, "2026-06-02 06:00"),
    ("before midnight", "2026-06-01 20:00", BERLIN, 21, 8, "2026-06-02 06:00"),
    ("as it begins", "2026-06-01 19:00", BERLIN, 21, 8, "2026-06-02 06:00"),
    (
        "a microsecond before",
        "2026-06-01 18:59:59.999999",
        BERLIN,
        21,
        8,
        "2026-06-01 18:59:59.999999",
    ),
    ("as it ends", "2026-06-02 06:00", BERLIN, 21, 8, "2026-06-02 06:00"),
    (
        "a microsecond too early",
        "2026-06-02 05:59:59.999999",
        BERLIN,
        21,
        8,
        "2026-06-02 06:00",
    ),
    ("half hours", "2026-06-01 19:45", BERLIN, 21.5, 8.25, "2026-06-02 06:15"),
    ("half hours, before", "2026-06-01 19:15", BERLIN, 21.5, 8, "2026-06-01 19:15"),
    ("at midday only", "2026-06-01 10:30", BERLIN, 12, 14, "2026-06-01 12:00"),
    ("at midday, before", "2026-06-01 09:59", BERLIN, 12, 14, "2026-06-01 09:59"),
    ("at midday, after", "2026-06-01 12:00", BERLIN, 12, 14, "2026-06-01 12:00"),
    ("until midnight", "2026-06-01 20:00", BERLIN, 21, 24, "2026-06-01 22:00"),
    ("from midnight", "2026-06-01 21:59", BERLIN, 0, 8, "2026-06-01 21:59"),
    ("from midnight, in it", "2026-06-01 22:00", BERLIN, 0, 8, "2026-06-02 06:00"),
    ("equal bounds", "2026-06-01 22:00", BERLIN, 8, 8, "2026-06-01 22:00"),
    ("unset bounds", "2026-06-01 22:00", BERLIN, 0, 0, "2026-06-01 22:00"),
    # The clock goes from 2:00 to 3:00 at 01:00 UTC.
    ("spring night", "2026-03-28 20:30", BERLIN, 21, 8, "2026-03-29 06:00"),
    ("ends in no time", "2026-03-28 23:00", BERLIN, 21, 2.5, "2026-03-29 01:00"),
    ("begins in no time", "2026-03-29 00:59", BERLIN, 2.5, 8, "2026-03-29 00:59"),
    ("began in no time", "2026-03-29 01:00", BERLIN, 2.5, 8, "2026-03-29 06:00"),
    ("all of it no time", "2026-03-29 00:59", BERLIN, 2, 3, "2026-03-29 00:59"),
    ("all of it over", "2026-03-29 01:00", BERLIN, 2, 3, "2026-03-29 01:00"),
    # The clock goes from 3:00 to 2:00 at 01:00 UTC.
    ("autumn night", "2026-10-24 19:30", BERLIN, 21, 8, "2026-10-25 07:00"),
    ("ends twice, first", "2026-10-24 23:00", BERLIN, 21, 2.5, "2026-10-25 00:30"),
    ("between the ends", "2026-10-25 00:45", BERLIN, 21, 2.5, "2026-10-25 00:45"),
    ("ends twice, again", "2026-10-25 01:10", BERLIN, 21, 2.5, "2026-10-25 01:30"),
    ("begins twice", "2026-10-25 00:35", BERLIN, 2.5, 3, "2026-10-25 01:00"),
    ("begins twice, again", "2026-10-25 01:40", BERLIN, 2.5, 3, "2026-10-25 02:00"),
    # New York: 8 March at 07:00 UTC, 1 November at 06:00 UTC.
    ("spring, New York", "2026-03-08 02:30", NEW_YORK, 21, 8, "2026-03-08 12:00"),
    ("autumn, New York", "2026-11-01 02:00", NEW_YORK, 21, 8, "2026-11-01 13:00"),
    ("winter, New York", "2026-12-01 02:00", NEW_YORK, 21, 8, "2026-12-01 13:00"),
    # Lord Howe: half an hour, 4 April at 15:00 UTC and 3 October at 15:30 UTC.
    ("autumn, 30 min", "2026-04-04 11:00", LORD_HOWE, 21, 8, "2026-04-04 21:30"),
    ("spring, 30 min", "2026-10-03 11:00", LORD_HOWE, 21, 8, "2026-10-03 21:00"),
    ("no 2:15, 30 min", "2026-10-03 14:00", LORD_HOWE, 21, 2.25, "2026-10-03 15:30"),
    ("1:45 once", "2026-04-04 14:30", LORD_HOWE, 21, 1.75, "2026-04-04 14:45"),
    ("1:45 twice", "2026-04-04 15:05", LORD_HOWE, 21, 1.75, "2026-04-04 15:15"),
    # No whole hours, and both sides of the date line.
    ("India", "2026-06-01 16:00", "Asia/Kolkata", 21, 8, "2026-06-02 02:30"),
    ("India, open", "2026-06-01 15:29", "Asia/Kolkata", 21, 8, "2026-06-01 15:29"),
    ("Nepal", "2026-06-01 16:00", "Asia/Kathmandu", 21, 8, "2026-06-02 02:15"),
    ("Chatham", "2026-06-01 09:00", "Pacific/Chatham", 21, 8, "2026-06-01 19:15"),
    ("Kiribati", "2026-06-01 07:30", "Pacific/Kiritimati", 21, 8, "2026-06-01 18:00"),
    ("Hawaii", "2026-06-01 07:30", "Pacific/Honolulu", 21, 8, "2026-06-01 18:00"),
    # Samoa had no 30 December 2011: the clock went on by a day at 10:00 UTC.
    (
        "a day that was not",
        "2011-12-30 09:00",
        "Pacific/Apia",
        21,
        8,
        "2011-12-30 18:00",
    ),
    ("Samoa", "2026-06-01 08:30", "Pacific/Apia", 21, 8, "2026-06-01 19:00"),
    # Several zones: open from 12:00 to 19:00 UTC in summer.
    ("both, early", "2026-06-01 07:00", (BERLIN, NEW_YORK), 21, 8, "2026-06-01 12:00"),
    ("both, open", "2026-06-01 18:59", (BERLIN, NEW_YORK), 21, 8, "2026-06-01 18:59"),
    ("both, late", "2026-06-01 19:00", (NEW_YORK, BERLIN), 21, 8, "2026-06-02 12:00"),
    # One has summer time already: open from 12:00 to 20:00 UTC.
    ("both, March", "2026-03-10 19:30", (NEW_YORK, BERLIN), 21, 8, "2026-03-10 19:30"),
    # Never open together: the first decides.
    ("none, Berlin", "2026-06-01 05:00", (BERLIN, AUCKLAND), 18, 8, "2026-06-01 06:00"),
    ("none, NZ", "2026-06-01 07:00", (AUCKLAND, BERLIN), 18, 8, "2026-06-01 20:00"),
    # Names that are none.
    ("invalid zone", "2026-06-01 22:00", "Nowhere/City", 21, 8, "2026-06-02 08:00"),
    ("hostile zone", "2026-06-01 22:00", "../../etc/passwd", 21, 8, "2026-06-02 08:00"),
    ("one is valid", "2026-06-01 22:00", ("No", BERLIN), 21, 8, "2026-06-02 06:00"),
    ("no zone", "2026-06-01 22:00", (), 21, 8, "2026-06-02 08:00"),
    ("end of time", "9999-12-31 23:30", BERLIN, 21, 8, "9999-12-31 23:30"),
    ("start of time", "0001-01-01 00:00", NEW_YORK, 21, 8, "0001-01-01 00:00"),
]

# Label, moment, zones, quiet from, quiet to, holidays, first open moment.
HOLIDAYS = ["2026-12-25", "2026-12-26"]
HOLIDAY_ROWS = [
    ("eve", "2026-12-24 18:00", BERLIN, 21, 8, HOLIDAYS, "2026-12-24 18:00"),
    ("eve, at night", "2026-12-24 22:30", BERLIN, 21, 8, HOLIDAYS, "2026-12-27 07:00"),
    ("the day", "2026-12-25 12:00", BERLIN, 21, 8, HOLIDAYS, "2026-12-27 07:00"),
    ("no quiet hours", "2026-12-25 10:00", BERLIN, 0, 0, HOLIDAYS, "2026-12-26 23:00"),
    ("other day", "2026-12-23 06:30", BERLIN, 8, 8, HOLIDAYS, "2026-12-23 06:30"),
    (
        "local date counts",
        "2026-12-25 03:00",
        "Pacific/Honolulu",
        21,
        8,
        HOLIDAYS,
        "2026-12-25 03:00",
    ),
    (
        "two zones",
        "2026-12-24 21:00",
        (BERLIN, NEW_YORK),
        21,
        8,
        HOLIDAYS,
        "2026-12-27 13:00",
    ),
    (
        "a week, two zones",
        "2026-06-01 19:00",
        (BERLIN, NEW_YORK),
        21,
        8,
        [f"2026-06-0{day}" for day in range(2, 9)],
        "2026-06-09 12:00",
    ),
    (
        "a month is none",
        "2026-06-01 22:00",
        BERLIN,
        21,
        8,
        [f"2026-06-{day:02}" for day in range(1, 31)],
        "2026-06-02 06:00",
    ),
    (
        "spring night",
        "2026-03-28 23:30",
        BERLIN,
        21,
        8,
        ["2026-03-29"],
        "2026-03-30 06:00",
    ),
]

# Label, arguments of zones_for, the zones that count, in any order but for the first.
ZONES = [
    ("number alone", ("+12025550123",), (NEW_YORK,)),
    ("number of California", ("+14155550123",), ("America/Los_Angeles",)),
    ("contact's zone", ("+12025550123", "America/Toronto"), ("America/Toronto",)),
    (
        "another zone of the same country may be its creator's",
        ("+14155550123", "America/New_York", "US"),
        ("America/Los_Angeles", "America/New_York"),
    ),
    ("moved away", ("+12025550123", BERLIN, "DE"), (BERLIN,)),
    ("number's country", ("+4915112345678", BERLIN, "US"), (BERLIN,)),
    ("creator's zone", ("+4915112345678", NEW_YORK, "DE"), (BERLIN, NEW_YORK)),
    ("creator's, no country", ("+4915112345678", NEW_YORK), (BERLIN, NEW_YORK)),
    ("neighbour goes alike", ("+4915112345678", "Europe/Paris"), ("Europe/Paris",)),
    ("old name", ("+919812345678", "Asia/Calcutta", "IN"), ("Asia/Calcutta",)),
    ("invalid zone", ("+4915112345678", "Mars/Base", "DE"), (BERLIN,)),
    ("unset", ("+4915112345678", False, False, False), (BERLIN,)),
    ("number without zone", ("+85212345678",), ("Asia/Hong_Kong",)),
    ("number of no country", ("+881612345678", None, None, BERLIN), (BERLIN,)),
    ("of no country, contact's", ("+881612345678", NEW_YORK), (NEW_YORK,)),
    ("of no country, address", ("+881612345678", None, "JP", BERLIN), ("Asia/Tokyo",)),
    (
        "of no country, creator's",
        ("+881612345678", BERLIN, "JP"),
        ("Asia/Tokyo", BERLIN),
    ),
    ("company's", ("", None, None, BERLIN), (BERLIN,)),
    ("company's is invalid", ("", None, None, "Mars/Base"), ("UTC",)),
    ("nothing known", (False, None, None, None), ("UTC",)),
    ("no number", ("hello\0", None, "XX", None), ("UTC",)),
]


def moment(text):
    """Read a naive UTC datetime."""
    return datetime.fromisoformat(text)


def is_open(at, zone, quiet_from, quiet_to, holidays=()):
    """Say whether a zone's clock is outside the quiet hours; shares no code."""
    local = at.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone))
    hour = local.hour + local.minute / 60 + local.second / 3600
    if local.date() in holidays:
        return False
    if quiet_from <= quiet_to:
        return not quiet_from <= hour < quiet_to
    return quiet_to <= hour < quiet_from


def oracle(at, zones, quiet_from, quiet_to, holidays, days):
    """Return the first open whole minute, looking at one after the other."""
    for counted in (zones, zones[:1]):
        for minutes in range(days * 24 * 60 + 1):
            found = at + minutes * MINUTE
            if all(
                is_open(found, zone, quiet_from, quiet_to, holidays) for zone in counted
            ):
                return found
    raise AssertionError("the oracle found nothing")


@tagged("post_install", "-at_install")
class TestQuietHours(BaseCase):
    """Rows over zones and nights, and random ones against the oracle."""

    def test_rows_open_when_written(self):
        """Each row opens at its moment, also on nights on which clocks change (F18)."""
        for label, at, zones, quiet_from, quiet_to, expected in ROWS:
            with self.subTest(label):
                zones = (zones,) if isinstance(zones, str) else zones
                found = quiet_hours.next_open(moment(at), zones, quiet_from, quiet_to)
                self.assertEqual(found, moment(expected))
                self.assertIsNone(found.tzinfo)

    def test_holidays_are_quiet_as_written(self):
        """A local date that is a holiday is quiet from midnight to midnight."""
        for label, at, zones, quiet_from, quiet_to, days, expected in HOLIDAY_ROWS:
            with self.subTest(label):
                zones = (zones,) if isinstance(zones, str) else zones
                holidays = {date.fromisoformat(day) for day in days}
                found = quiet_hours.next_open(
                    moment(at), zones, quiet_from, quiet_to, holidays.__contains__
                )
                self.assertEqual(found, moment(expected))

    def test_endless_holidays_do_not_stop_texts(self):
        """A list of holidays that never ends is overruled, not waited for."""
        found = quiet_hours.next_open(
            moment("2026-06-01 22:00"), (BERLIN, NEW_YORK), 21, 8, lambda _day: True
        )
        self.assertEqual(found, moment("2026-06-02 06:00"))

    def test_zones_are_those_of_the_person(self):
        """Each row counts the zones that it names, the decisive one first."""
        for label, arguments, expected in ZONES:
            with self.subTest(label):
                self.assertEqual(quiet_hours.zones_for(*arguments), expected)

    def test_numbers_of_wide_countries_have_all_their_zones(self):
        """A number that may be anywhere waits for all zones, the company's first."""
        for number, inside, company_tz in (
            ("+79161234567", ("Europe/Moscow", "Asia/Kamchatka"), "Europe/Moscow"),
            ("+18005551234", (NEW_YORK, "Pacific/Honolulu"), "America/Detroit"),
        ):
            with self.subTest(number):
                zones = quiet_hours.zones_for(number)
                self.assertGreater(len(zones), 5)
                self.assertLess(len(zones), 20, "Zones that go alike are one")
                at = moment("2026-06-01 00:00")
                found = quiet_hours.next_open(at, zones, 21, 8)
                for zone in (*zones, *inside):
                    self.assertTrue(is_open(found, zone, 21, 8), zone)
                first = quiet_hours.zones_for(number, None, None, company_tz)[0]
                self.assertEqual(first, company_tz)
                far = quiet_hours.zones_for(number, None, None, "Africa/Lagos")
                self.assertEqual(far, zones, "The company is elsewhere")

    def test_country_of_a_number(self):
        """The country is that of the number, and none where it has none."""
        for number, country in (
            ("+4915112345678", "DE"),
            ("+12042345678", "CA"),
            # Of no time zone of its own.
            ("+38343201234", "XK"),
            ("+881612345678", None),
            ("12345", None),
            (False, None),
        ):
            with self.subTest(number):
                self.assertEqual(quiet_hours.country_of(number), country)

    def test_random_moments_agree_with_the_oracle(self):
        """The result is open, no earlier minute is, and open moments stay (F18)."""
        rng = random.Random(20261)
        names = [
            BERLIN,
            NEW_YORK,
            LORD_HOWE,
            AUCKLAND,
            "America/St_Johns",
            "America/Havana",
            "Africa/Casablanca",
            "Asia/Kathmandu",
            "Asia/Kolkata",
            "Pacific/Kiritimati",
            "Pacific/Chatham",
            "Pacific/Honolulu",
            "Asia/Beirut",
            "UTC",
        ]
        changes = [
            moment("2026-03-29 01:00"),
            moment("2026-10-25 01:00"),
            moment("2026-03-08 07:00"),
            moment("2026-11-01 06:00"),
            moment("2026-04-04 15:00"),
            moment("2026-10-03 15:30"),
        ]
        waits = 0
        for index in range(400):
            zones = tuple(rng.sample(names, rng.choice((1, 1, 2, 3))))
            quiet_from = rng.randrange(0, 96) / 4
            quiet_to = rng.randrange(0, 96) / 4
            at = rng.choice(changes) + rng.randrange(-2880, 2880) * MINUTE
            if index % 4 == 3:
                at = moment("2026-01-01 00:00") + rng.randrange(525_600) * MINUTE
            holidays = ()
            if index % 5 == 4:
                holidays = {(at + timedelta(days=rng.randrange(3))).date()}
            found = quiet_hours.next_open(
                at,
                zones,
                quiet_from,
                quiet_to,
                holidays.__contains__ if holidays else None,
            )
            days = quiet_hours.HOLIDAY_DAYS if holidays else quiet_hours.COMMON_DAYS
            expected = oracle(at, zones, quiet_from, quiet_to, holidays, days)
            row = f"{at} {zones} {quiet_from} to {quiet_to} {holidays}"
            self.assertEqual(found, expected, row)
            waits += found > at
            again = quiet_hours.next_open(
                found,
                zones,
                quiet_from,
                quiet_to,
                holidays.__contains__ if holidays else None,
            )
            self.assertEqual(again, found, f"{row}: what is open stays so")
        self.assertGreater(waits, 100, "The rows are one-sided")

    def test_every_zone_can_be_asked(self):
        """No zone of the world raises, and each opens within a day."""
        at = moment("2026-03-29 00:30")
        for zone in sorted(quiet_hours.pytz.common_timezones):
            found = quiet_hours.next_open(at, (zone,), 21, 8)
            self.assertTrue(is_open(found, zone, 21, 8), zone)
            self.assertLess(found - at, timedelta(hours=12), zone)

    def test_a_text_costs_microseconds(self):
        """A hundred thousand texts are asked about in seconds, not minutes."""
        zones = quiet_hours.zones_for("+4915112345678", BERLIN, "DE", BERLIN)
        at = moment("2026-06-01 22:00")
        start = time.process_time()
        for index in range(10_000):
            quiet_hours.next_open(at + index * MINUTE, zones, 21, 8)
            quiet_hours.zones_for("+4915112345678", BERLIN, "DE", BERLIN)
        self.assertLess(time.process_time() - start, 1.0)


@tagged("post_install", "-at_install")
class TestSmsGatewayHoliday(TransactionCase):
    """The list of holidays and who it is for."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.holidays = cls.env["sms.gateway.holiday"]
        cls.holidays.search([]).unlink()
        cls.company = cls.env.company
        cls.other_company = cls.env["res.company"].create({"name": "Other"})
        germany = cls.env.ref("base.de")
        for day, values in (
            ("2026-01-01", {}),
            ("2026-10-03", {"country_id": germany.id}),
            ("2026-08-08", {"company_id": cls.company.id}),
            (
                "2026-07-07",
                {"country_id": germany.id, "company_id": cls.other_company.id},
            ),
        ):
            cls.holidays.create({"name": day, "date": day, **values})

    def dates(self, company, country_code):
        is_holiday = self.holidays._is_holiday_fn(company, country_code)
        days = (date(2026, 1, 1) + timedelta(days=day) for day in range(365))
        return [f"{day:%m-%d}" for day in days if is_holiday(day)]

    def test_a_holiday_is_for_its_country_and_company(self):
        """A day counts where its country and its company are met or unset."""
        for company, country_code, expected in (
            (self.company, "DE", ["01-01", "08-08", "10-03"]),
            (self.company, "FR", ["01-01", "08-08"]),
            (self.company, None, ["01-01", "08-08"]),
            (self.other_company, "de", ["01-01", "07-07", "10-03"]),
            (self.env["res.company"], "DE", ["01-01", "10-03"]),
        ):
            with self.subTest(company.name, country=country_code):
                self.assertEqual(self.dates(company, country_code), expected)

    def test_the_list_is_read_once(self):
        """A thousand texts cost one query, and a change of the list is seen."""
        self.dates(self.company, "DE")
        with self.assertQueryCount(0):
            for _text in range(1000):
                self.holidays._is_holiday_fn(self.company, "DE")
        holiday = self.holidays.create({"name": "New", "date": "2026-02-02"})
        self.assertIn("02-02", self.dates(self.company, "DE"))
        holiday.date = "2026-02-03"
        self.assertIn("02-03", self.dates(self.company, "DE"))
        holiday.unlink()
        self.assertNotIn("02-03", self.dates(self.company, "DE"))
