# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Runs the drill; ``setup/drill`` calls it with a database that has every addon."""

import argparse
import functools
import os
import random
import re
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# The folder itself would hide modules of the same names.
sys.path[:] = [path for path in sys.path if Path(path) != Path(__file__).parent]

KILLS, QUICK_KILLS = 200, 6


def parse():
    parser = argparse.ArgumentParser(prog="setup/drill")
    parser.add_argument("--source", default=os.environ.get("SGH_DRILL_SOURCE"))
    parser.add_argument("--home", default=os.environ.get("SGH_DRILL_HOME"))
    parser.add_argument("--quick", action="store_true", help="some faults, few kills")
    parser.add_argument("--kills", type=int, help=f"{KILLS}, quick {QUICK_KILLS}")
    parser.add_argument("--only", default="", help="e.g. F4,kills")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", default="", help="file for all figures")
    parser.add_argument("--write-docs", action="store_true")
    return parser.parse_args()


def choose(options):
    """Return (key, name, function) of what is to be tried, in order."""
    from drill import disasters, faults, kills  # noqa: PLC0415 the path is set by now

    known = {**faults.FAULTS, **disasters.DRILLS}
    wanted = [key for key in options.only.split(",") if key]
    unknown = sorted(set(wanted) - {*known, "kills"})
    if unknown:
        sys.exit(f"setup/drill: there is no fault {', '.join(unknown)}.")
    keys = wanted or (
        [key for key in known if key in faults.QUICK | disasters.QUICK]
        if options.quick
        else list(known)
    )
    chosen = [(key, *known[key]) for key in known if key in keys]
    if "kills" in wanted or not wanted:
        kill = functools.partial(kills.run, kills=options.kills, seed=options.seed)
        name = f"kill -9, {options.kills} times at random moments under load"
        chosen.append(("kills", name, kill))
    return chosen


def main():
    options = parse()
    if options.kills is None:
        options.kills = QUICK_KILLS if options.quick else KILLS
    if options.seed is None:
        options.seed = random.randrange(10**6)
    # Whoever ends it wants its servers ended.
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(143))
    chosen = choose(options)
    if options.only and options.write_docs:
        sys.exit("setup/drill: the document holds all of it: --write-docs or --only.")
    mode = "quick" if options.quick else "full"
    from bench import report as bench  # noqa: PLC0415 the path is set by now
    from support import CHECKOUT  # noqa: PLC0415 the path is set by now

    from drill import ground, report  # noqa: PLC0415 the path is set by now

    # Not with the logs of tests: these are full of faults.
    logs = Path(options.home) / "logs"
    begun = time.monotonic()
    with ground.Drill(options.source, options.home, logs, quick=options.quick) as drill:
        run = bench.describe_run(
            drill.database,
            f"{mode}, only {options.only}" if options.only else mode,
            os.getloadavg()[0],
        )
        tell(f"ready after {time.monotonic() - begun:.0f} s, seed {options.seed}")
        for key, name, function in chosen:
            row = drill.run(key, name, function)
            words = row.error or ("" if row.held else "NOT HELD")
            tell(f"{key:<10} {row.seconds:5.0f}s  {name}  {words}")
        lines, found = drill.read_logs()
        rows = drill.rows
    manifest = (CHECKOUT / "sms_gateway_hub" / "__manifest__.py").read_text()
    run.update(
        version=re.search(r'"version": "([^"]+)"', manifest)[1],
        seed=options.seed,
        kills=options.kills if chosen[-1][0] == "kills" else 0,
        seconds=round(time.monotonic() - begun),
        log=f"Its log of {lines:,} lines holds no number, text or secret."
        if not found
        else f"Its log holds {len(found)} things that must not be there.",
        in_the_log=found,
        total=report.total(rows).to_dict(),
        bars=report.bars(rows),
    )
    print()
    print(report.to_text(rows))
    print(f"\n{run['log']} {run['seconds']} s in all, seed {options.seed}.")
    for line in found[:20]:
        print(f"IN THE LOG {line}")
    if options.json:
        bench.write_json(options.json, rows, run)
        print(f"All figures: {options.json}")
    if options.write_docs:
        report.write_docs(rows, run)
    return 1 if found or not all(row.held for row in rows) else 0


def tell(words):
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
