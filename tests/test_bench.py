# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The benchmark works: each metric has both sides and a ratio. No bar is held here."""

import json
import os
import subprocess
import sys

import pytest
from support import CHECKOUT, Database

BENCH = CHECKOUT / "tests" / "bench"
METRICS = [f"P{number}" for number in range(1, 14)]
ADDONS = [
    "sms_gateway_hub",
    "sms_gateway_bench",
    "sms_gateway_clickatell",
    "sms_gateway_smssync",
    "sms_twilio",
    "mass_mailing_sms",
]


@pytest.fixture(scope="module")
def figures(pristine, tmp_path_factory):
    """Run the benchmark at tiny sizes; give its JSON document."""
    folder = tmp_path_factory.mktemp("bench")
    database = Database(f"sgh_bench_{os.getpid()}")
    database.create(ADDONS, pristine.name)
    try:
        done = subprocess.run(
            [
                sys.executable,
                BENCH,
                "--tiny",
                "--force",
                "--load-average=3",
                "--database",
                database.name,
                "--json",
                folder / "figures.json",
            ],
            # Its servers' logs are no log of a test: they are killed under way.
            env={**os.environ, "SGH_LOG_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
            cwd=CHECKOUT,
            timeout=600,
        )
        assert (folder / "figures.json").exists(), done.stderr[-3000:]
        document = json.loads((folder / "figures.json").read_text())
        document["output"] = done.stdout
        return document
    finally:
        database.drop()


def test_everything_could_be_measured(figures):
    """No metric fails, and none is left out."""
    assert figures["failed"] == []


@pytest.mark.parametrize("key", METRICS)
def test_both_sides_are_measured(figures, key):
    """Each metric has a row with a bar, and each row both sides and a ratio."""
    rows = [row for row in figures["rows"] if row["key"] == key]
    assert any(row["bar"] for row in rows)
    for row in rows:
        assert row["samples"]["ours"], row
        assert len(row["samples"]["ours"]) == len(row["samples"]["reference"]), row
        assert row["reference"] > 0, row
        assert row["ratio"] is not None, row
        assert row["verdict"] in (("met", "missed") if row["bar"] else ("",)), row


def test_the_table_names_every_metric(figures):
    """What a person reads has a line for each row."""
    lines = figures["output"].splitlines()
    for row in figures["rows"]:
        assert any(row["key"] in line and row["name"] in line for line in lines), row


def rows_of(figures, key, words):
    """Return the rows of a metric whose names have these words."""
    return [
        row for row in figures["rows"] if row["key"] == key and words in row["name"]
    ]


def test_each_cap_is_judged_by_itself(figures):
    """P6 has two rows for each cap, each of the one run that it is."""
    for words in ("Most in any second at a cap of", "Rate over"):
        rows = rows_of(figures, "P6", words)
        assert [row["reference"] for row in rows] == [1, 10, 100]
        assert [row["pairs"] for row in rows] == [1, 1, 1]


def test_what_is_done_later_counts_as_well(figures):
    """P9 has both halves of ours, and the whole, which is slower than either."""
    [stored] = rows_of(figures, "P9", "stored durably")
    [applied] = rows_of(figures, "P9", "applied to the messages")
    [whole] = rows_of(figures, "P9", "Stored and applied")
    assert whole["ours"] < min(stored["ours"], applied["ours"])


def test_counters_of_strangers_are_seen(figures):
    """P10 sees what forged calls from a new address write: a few counts, no more."""
    [counter] = rows_of(figures, "P10", "the counter of one new address")
    assert 0 < counter["ours"] <= counter["reference"]


def test_force_leaves_its_mark(figures):
    """Where other programs ran meanwhile, the figures say so."""
    assert figures["forced"] is True and figures["load_average"] == 3
    assert "--force" in figures["output"]


def test_a_part_replaces_no_table():
    """A table of some metrics is not written into the document."""
    for command in ([sys.executable, BENCH], [CHECKOUT / "setup" / "bench"]):
        done = subprocess.run(
            [*command, "--write-docs", "--only", "P2"],
            capture_output=True,
            text=True,
            check=False,
            cwd=CHECKOUT,
            timeout=60,
        )
        assert done.returncode and "--only" in done.stderr


def test_a_busy_machine_is_refused():
    """Where other programs run it measures nothing, unless it is told to."""
    done = subprocess.run(
        [sys.executable, BENCH, "--tiny", "--database", "none", "--load-average", "3"],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=60,
    )
    assert done.returncode == 2
    assert "busy" in done.stderr and "--force" in done.stderr


def test_the_document_is_written_between_its_markers(tmp_path, monkeypatch):
    """The table replaces the last one in the document, and nothing else."""
    monkeypatch.syspath_prepend(str(BENCH.parent))
    from bench import report  # noqa: PLC0415 its folder is on the path by now
    from bench.metrics import Row  # noqa: PLC0415 see above

    path = tmp_path / "performance.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    run = {
        "date": "2026-01-02T03:04:05+00:00",
        "mode": "quick",
        "load_average": 0.1,
        "forced": False,
        "machine": {
            "commit": "abc",
            "processors": 2,
            "processor": "a processor",
            "memory_gb": 8,
            "python": "3.12",
            "postgresql": {"server_version": "15.1 (X)", "shared_buffers": "256MB"},
        },
    }
    row = Row("P1", "What | else", "rows/s", [1.0], [4.0], "a copy", (">=", 0.5))
    report.write_docs([row], {**run, "forced": True}, path)
    assert report.FORCED in path.read_text()
    report.write_docs([row], run, path)
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "old" not in text and report.FORCED not in text
    assert text.count("| P1 |") == 1
    assert "What \\| else" in text and "**missed**" in text
    path.write_text("no place")
    with pytest.raises(ValueError, match="no place for the table"):
        report.write_docs([row], run, path)
