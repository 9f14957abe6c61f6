# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a metric is: two things measured in turns, their ratio and its bar."""

import time
from dataclasses import dataclass, field
from statistics import median

# Key -> function of a Bench that yields Rows, in the order of the table.
METRICS = {}
ORDER = tuple(f"P{n}" for n in range(1, 14))


@dataclass
class Row:
    """One line of the table.

    :param str key: the metric, P1 to P13
    :param str name: what was measured
    :param str unit: of both sides
    :param list ours: samples of our side
    :param list reference: samples of the other side, each taken beside ours, or a
        number as often
    :param str against: what the other side is
    :param bar: (">=" or "<=", number) that the ratio is held to, or None where the
        figure is for comparison only
    :param dict details: what the samples were made of, for the JSON file
    """

    key: str
    name: str
    unit: str
    ours: list
    reference: list
    against: str
    bar: tuple | None = None
    details: dict = field(default_factory=dict)

    @property
    def ratio(self):
        """Ours by the reference: the median over the pairs."""
        ratios = [
            ours / reference
            for ours, reference in zip(self.ours, self.reference, strict=True)
            if reference
        ]
        return median(ratios) if ratios else None

    @property
    def verdict(self):
        """Say "met", "missed", or "" where there is no bar."""
        if not self.bar:
            return ""
        if self.ratio is None:
            return "not measured"
        sign, limit = self.bar
        met = self.ratio >= limit if sign == ">=" else self.ratio <= limit
        return "met" if met else "missed"

    def to_dict(self):
        """Return what the JSON file says of it."""
        return {
            "key": self.key,
            "name": self.name,
            "unit": self.unit,
            "ours": median(self.ours) if self.ours else None,
            "reference": median(self.reference) if self.reference else None,
            "against": self.against,
            "ratio": self.ratio,
            "bar": f"{self.bar[0]} {self.bar[1]}" if self.bar else None,
            "verdict": self.verdict,
            "pairs": len(self.ours),
            "samples": {"ours": self.ours, "reference": self.reference},
            "details": self.details,
        }


def metric(*keys):
    """Register a function of a Bench that yields the Rows of these metrics."""

    def register(function):
        for key in keys:
            METRICS[key] = function
        return function

    return register


def take_turns(pairs, *sides):
    """Measure the sides in turns, A B A B, so that what else happens meets all.

    :param int pairs: turns
    :param sides: functions without arguments that return one sample
    :return: list of samples of each side
    """
    samples = [[] for _side in sides]
    for _turn in range(pairs):
        for kept, side in zip(samples, sides, strict=True):
            kept.append(side())
    return samples


def rate_of(count, function):
    """Return how many per second a function did.

    :param count: number of things, or None when the function returns it
    """
    start = time.perf_counter()
    done = function()
    return (done if count is None else count) / (time.perf_counter() - start)


def percentile(values, share):
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
