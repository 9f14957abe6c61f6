# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Runs the benchmark; ``setup/bench`` calls it with a database of its own."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# The folder itself would hide modules of the same names.
sys.path[:] = [path for path in sys.path if Path(path) != Path(__file__).parent]

# Where one database is named Odoo needs no filter, which would cost each call without a
# session a connection: both sides would look faster than they are, beside each other.
os.environ["SGH_DB_FILTER"] = "0"

LOAD_LIMIT = 0.5


def parse():
    parser = argparse.ArgumentParser(prog="setup/bench")
    parser.add_argument("--database", default=os.environ.get("SGH_BENCH_DB"))
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", help="e.g. P3,P5")
    parser.add_argument("--json", default="", help="file for all figures")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--force", action="store_true", help="also on a busy machine")
    parser.add_argument(
        "--load-average",
        type=float,
        default=os.getloadavg()[0],
        help="of the machine before all this began",
    )
    parser.add_argument("--memory", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only and options.write_docs:
        parser.error("--write-docs puts the whole table there: not with --only.")
    return options


def main():
    options = parse()
    if options.memory:
        return measure_memory(*json.loads(options.memory))
    busy = options.load_average > LOAD_LIMIT
    if busy and not options.force:
        print(
            f"The machine is busy: its load average is {options.load_average:.2f}, "
            f"above {LOAD_LIMIT}. Wait until nothing else runs, or pass --force.",
            file=sys.stderr,
        )
        return 2
    from bench import load_all, start  # noqa: PLC0415 after the path is set

    start(options.database)
    metrics, ground, report = load_all()
    wanted = [key for key in options.only.upper().split(",") if key]
    unknown = [key for key in wanted if key not in metrics.METRICS]
    if unknown:
        print(f"There is no metric {', '.join(unknown)}.", file=sys.stderr)
        return 2
    mode = "tiny" if options.tiny else "quick" if options.quick else "full"
    sizes = {"tiny": ground.TINY, "quick": ground.QUICK, "full": ground.FULL}[mode]
    logs = os.environ.get("SGH_LOG_DIR") or Path(".")
    rows, failed = [], []
    with ground.Bench(options.database, sizes, logs) as bench:
        run = {
            **report.describe_run(bench.main, mode, round(options.load_average, 2)),
            "only": wanted,
            "forced": busy,
        }
        functions = []
        for key in metrics.ORDER:
            function = metrics.METRICS[key]
            if (not wanted or key in wanted) and function not in functions:
                functions.append(function)
        for function in functions:
            keys = [k for k, known in metrics.METRICS.items() if known is function]
            begun = time.monotonic()
            try:
                measured = list(function(bench))
            except Exception as error:  # noqa: BLE001 the others are still measured
                failed.append(f"{', '.join(keys)}: {type(error).__name__}: {error}")
                print(f"FAILED {failed[-1]}", file=sys.stderr, flush=True)
                if os.environ.get("SGH_BENCH_RAISE"):
                    raise
                continue
            rows += measured
            if not measured:
                failed.append(f"{', '.join(keys)}: cannot be measured here yet")
            print(
                f"{', '.join(keys):<12} {time.monotonic() - begun:5.0f}s  "
                f"{(function.__doc__ or '').strip()}",
                file=sys.stderr,
                flush=True,
            )
    rows.sort(key=lambda row: metrics.ORDER.index(row.key))
    run["failed"] = failed
    print()
    print(report.to_text(rows))
    if busy:
        print(f"\n{report.FORCED}")
    for line in failed:
        print(f"NOT MEASURED {line}")
    if options.json:
        report.write_json(options.json, rows, run)
        print(f"\nAll figures: {options.json}")
    # The table there is whole.
    if options.write_docs and not failed:
        report.write_docs(rows, run)
    return 1 if failed else 0


def measure_memory(database, gateway_id, count):
    """The other process of P1: queues texts and watches its own memory."""
    from bench import load_all, start  # noqa: PLC0415 after the path is set

    start(database)
    _metrics, ground, _report = load_all()
    from bench.enqueue import run_memory  # noqa: PLC0415 after Odoo is set up

    site = ground.Site(database)
    try:
        run_memory(site, gateway_id, count)
    finally:
        site.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
