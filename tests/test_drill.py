# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The quick drill: nothing lost, doubled or stuck. The long one is run by hand."""

import json
import os
import subprocess
import sys

import pytest
from support import CHECKOUT, TEST_ADDONS, Database

DRILL = CHECKOUT / "tests" / "drill"
ADDONS = sorted(
    path.parent.name
    for folder in (CHECKOUT, TEST_ADDONS)
    for path in folder.glob("*/__manifest__.py")
)


@pytest.fixture(scope="module")
def source():
    """Give the name of a database with every addon: setup/test's, or a new one."""
    if name := os.environ.get("SGH_TEST_DB"):
        yield name
        return
    database = Database(f"sgh_drill_{os.getpid()}")
    database.create(ADDONS, os.environ.get("SGH_CORE_DB"))
    yield database.name
    database.drop()


@pytest.fixture(scope="module")
def drill(source, tmp_path_factory):
    """Run the quick drill with few kills; give its JSON document."""
    home = tmp_path_factory.mktemp("drill")
    done = subprocess.run(
        [
            sys.executable,
            DRILL,
            *("--quick", "--kills", "4", "--seed", "1"),
            *("--source", source, "--home", home),
            *("--json", home / "figures.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=600,
    )
    assert (home / "figures.json").exists(), done.stderr[-3000:]
    document = json.loads((home / "figures.json").read_text())
    document.update(output=done.stdout, status=done.returncode, home=home)
    return document


def test_nothing_is_lost_doubled_or_stuck(drill):
    """Every fault holds, and so says the exit status."""
    for row in drill["rows"]:
        assert row["held"], row
        assert row["accepted"] > 0, row
    assert drill["status"] == 0, drill["output"]


def test_what_is_drilled(drill):
    """PostgreSQL is restarted, processes are killed, and each has a line."""
    keys = {row["key"] for row in drill["rows"]}
    assert {"F4", "F25", "deadlock", "kills"} <= keys
    assert sum(drill["rows"][-1]["details"]["kills"].values()) == 4
    for row in drill["rows"]:
        assert f"{row['key']} " in drill["output"]


def test_nothing_that_must_not_be_in_the_log(drill):
    """No number, no text and no secret is in what Odoo wrote."""
    assert drill["in_the_log"] == []


def test_nothing_is_left_running(drill):
    """The cluster of the drill is gone, with its files."""
    assert not (drill["home"] / "pg").exists()


@pytest.mark.parametrize(
    "options,word",
    [(["--only", "F99"], "F99"), (["--only", "F4", "--write-docs"], "--write-docs")],
)
def test_what_is_refused(options, word):
    """An unknown fault and a document of a part are named; nothing is started."""
    done = subprocess.run(
        [sys.executable, DRILL, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=60,
    )
    assert done.returncode == 1 and word in done.stderr


def test_the_document_is_written_between_its_markers(tmp_path, monkeypatch):
    """The table replaces the last one, with machine, date, seed and version."""
    monkeypatch.syspath_prepend(str(DRILL.parent))
    from drill import report  # noqa: PLC0415 its folder is on the path by now
    from drill.ground import Row  # noqa: PLC0415 see above

    path = tmp_path / "reliability.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    run = {
        "date": "2026-01-02T03:04:05+00:00",
        "mode": "quick",
        "version": "19.0.9.9.9",
        "seed": 4711,
        "kills": 4,
        "log": "Its log is clean.",
        "machine": {
            "commit": "abc",
            "processors": 2,
            "processor": "a processor",
            "memory_gb": 8,
            "python": "3.12",
            "postgresql": {"server_version": "15.1 (X)", "shared_buffers": "256MB"},
        },
    }
    rows = [
        Row("F1", "what | else", accepted=9, unsent=5, unknown=3, settled=1, visible=2),
        Row("F2", "bad", accepted=1, lost=1),
        Row("kills", "hidden", accepted=1, unknown=1),
    ]
    for _turn in range(2):
        report.write_docs(rows, run, path)
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "old" not in text and text.count("| F1 |") == 1
    assert "what \\| else" in text and "| 9 | 5 | 0 | 0 | 3 | 1 | 2 | 0 |" in text
    # Those that never left are no proof of anything: they are told apart.
    assert "R1, F1 to F25: 1 of 5, and of 5 that never left (F1 5)." in text
    assert "R2: 0 of 6, " in text and "R3: 3 of 4." in text
    assert "19.0.9.9.9" in text and "4711" in text and "2026-01-02" in text
    assert "not held: F2, kills" in text
