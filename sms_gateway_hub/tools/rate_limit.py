# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Limits on how often something may happen, within one process or over all of them.

Pure Python without ``odoo``.
"""

import functools
import ipaddress
import math
import threading
import time
from collections import OrderedDict


class _Windows:
    """Windows of time by key; the key that was quiet for longest is forgotten first.

    :param float period_s: length of a window in seconds
    :param int max_keys: keys to remember
    :param clock: function that returns seconds
    """

    def __init__(self, period_s, max_keys, clock):
        self.period_s = period_s
        self.max_keys = max_keys
        self._clock = clock
        self._lock = threading.Lock()
        # Key -> its window; the one hit last stands last.
        self._windows = OrderedDict()

    def __len__(self):
        return len(self._windows)

    def reset(self):
        """Forget everything."""
        with self._lock:
            self._windows.clear()

    def _keep(self, key, window):
        self._windows[key] = window
        self._windows.move_to_end(key)
        if len(self._windows) > self.max_keys:
            self._windows.popitem(last=False)


class RateLimit(_Windows):
    """Count how often something happens by key, e.g. by address, and say when to stop.

    Time is cut into windows of ``period_s`` that begin with the first hit of a key. One
    hit costs the same however many keys there are, and no more than ``max_keys`` are
    remembered: the one that was quiet for longest is forgotten first. Each process
    counts for itself.

    :param int limit: hits of one key within a window that are still allowed
    :param float period_s: length of a window in seconds
    :param int max_keys: keys to remember
    :param clock: function that returns seconds and never goes back
    """

    def __init__(self, limit, period_s, *, max_keys=10_000, clock=time.monotonic):
        if limit < 1 or period_s <= 0 or max_keys < 1:
            raise ValueError("limit, period_s and max_keys must be above 0")
        super().__init__(period_s, max_keys, clock)
        self.limit = limit

    def hit(self, key):
        """Count one more, and say whether it is still allowed.

        :param key: hashable
        :return: bool
        """
        now = self._clock()
        with self._lock:
            # End of the window, hits.
            window = self._windows.get(key)
            if window is None or window[0] <= now:
                window = [now + self.period_s, 0]
            window[1] += 1
            self._keep(key, window)
            return window[1] <= self.limit

    def is_over(self, key):
        """Say whether a key has used up its window; asking counts nothing.

        :param key: hashable
        """
        with self._lock:
            window = self._windows.get(key)
            return bool(window and window[0] > self._clock() and window[1] > self.limit)


class SharedLimit(_Windows):
    """Count how often something happens over all processes, by tenths of the limit.

    Time is cut into windows of ``period_s``, the same for all processes. A process
    tells the others of each tenth of the limit once it has used it up, so that what is
    far below its limit costs nothing, and what is above it ten times telling. Nobody is
    refused for what others might have used: the limit may be exceeded by what they have
    not told yet, a tenth each.

    :param float period_s: length of a window in seconds
    :param int max_keys: keys to remember
    :param clock: function that returns seconds, the same for all processes
    """

    def __init__(self, period_s, *, max_keys=10_000, clock=time.time):
        if period_s <= 0 or max_keys < 1:
            raise ValueError("period_s and max_keys must be above 0")
        super().__init__(period_s, max_keys, clock)

    def hit(self, key, limit, take):
        """Count one more, and say whether it is still allowed.

        :param key: hashable
        :param int limit: hits within a window that are allowed
        :param take: function of (window, hits) that adds hits to those of all
            processes in a window, and returns how many that makes; it may take time,
            and is not called while another thread waits for it
        :return: bool
        """
        tenth = max(1, limit // 10)
        number = int(self._clock() // self.period_s)
        with self._lock:
            # Number of the window, hits, hits that are told, refused.
            window = self._windows.get(key)
            if window is None or window[0] != number:
                window = [number, 0, 0, False]
            window[1] += 1
            self._keep(key, window)
            if window[3] or window[1] - window[2] <= tenth:
                return not window[3]
            window[2] += tenth
        # What it is free to use next must fit in as well.
        allowed = take(number, tenth) + tenth <= limit
        if not allowed:
            window[3] = True
        return allowed

    def is_over(self, key):
        """Say whether a key is refused in this window; asking counts nothing.

        :param key: hashable
        """
        window = self._windows.get(key)
        return bool(
            window and window[3] and window[0] == int(self._clock() // self.period_s)
        )

    def get_wait_s(self):
        """Return the seconds until the next window begins, at least one."""
        return max(1, math.ceil(self.period_s - self._clock() % self.period_s))


@functools.lru_cache(maxsize=4096)
def network_of(address):
    """Return what one peer can hardly change: its IPv4 address, or its IPv6 /64.

    :param str address: as the server saw it
    :return: str; what is no address comes back shortened
    """
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return (address or "")[:64]
    if ip.version == 6:
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
