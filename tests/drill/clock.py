# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A clock that the drill may set, for Odoo and PostgreSQL alone.

The machine's clock is not touched: a library of a few lines stands before the C
library's in the processes that are started with it, and moves the time of day by what
a file says at that moment. Clocks that only run on are left alone, as they are when
somebody sets a real one.
"""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long *offset;

static long moved(void) {
    const char *path = getenv("DRILL_CLOCK");
    if (!offset && path) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        void *page = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        if (page != MAP_FAILED) offset = page;
    }
    return offset ? *offset : 0;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int status = syscall(SYS_clock_gettime, id, at);
    if (!status && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        at->tv_sec += moved();
    return status;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class Clock:
    """The clock of the processes that are started with ``preload``.

    :param Path home: folder for its library and its file
    :raise RuntimeError: the machine has no C compiler
    """

    def __init__(self, home):
        compiler = shutil.which("cc")
        if not compiler:
            raise RuntimeError("Setting a clock needs a C compiler: install gcc.")
        home.mkdir(parents=True, exist_ok=True)
        source, library = home / "clock.c", home / "clock.so"
        source.write_text(_SOURCE)
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True
        )
        self.file = Path(home / "offset")
        self.file.write_bytes(bytes(mmap.PAGESIZE))
        for path in (home, library, self.file):
            path.chmod(0o755)
        self.preload = {"LD_PRELOAD": str(library), "DRILL_CLOCK": str(self.file)}

    def set(self, offset_s):
        """Move the time of day by so many seconds from the machine's, at once."""
        with self.file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as page:
            page[:8] = struct.pack("l", int(offset_s))
