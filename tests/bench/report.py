# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table of a run: for people, as JSON, and in docs/performance.md."""

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from support import CHECKOUT

DOCS = CHECKOUT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
FORCED = "Measured by --force on a machine that was busy: these figures say little."
_HEAD = ("", "what", "ours", "reference", "against", "ratio", "bar", "", "n")


def describe_machine(site):
    """Return what the figures were taken on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    settings = dict(
        site.rows(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name IN "
            "('server_version', 'shared_buffers', 'max_wal_size', 'fsync', "
            "'synchronous_commit')"
        )
    )
    return {
        "processors": os.cpu_count(),
        "processor": model[1] if model else platform.machine(),
        "memory_gb": round(int(memory[1]) / 1024 / 1024) if memory else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": settings,
        "commit": commit.stdout.strip(),
    }


def number(value):
    """Return a figure with as many digits as say something."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def cells(row):
    """Return the columns of a row as text."""
    return (
        row.key,
        row.name,
        f"{number(median(row.ours))} {row.unit}" if row.ours else "–",
        number(median(row.reference)) if row.reference else "–",
        row.against,
        number(row.ratio),
        f"{row.bar[0]} {number(row.bar[1])}" if row.bar else "",
        row.verdict,
        str(len(row.ours)),
    )


def to_text(rows):
    """Return the table for a terminal."""
    return to_columns([_HEAD, *map(cells, rows)], {2, 3, 5, 8})


def to_columns(table, numeric):
    """Return lines of cells as text in columns; those of ``numeric`` to the right."""
    widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if n in numeric else text.ljust(width)
            for n, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def to_markdown(rows, run):
    """Return the table for the document, with machine and date."""
    forced = f" **{FORCED}**" if run["forced"] else ""
    lines = [
        f"Taken on {run['date'][:10]} at commit `{run['machine']['commit']}`, in "
        f"{run['mode']} mode: {describe(run['machine'])}; load average at the start "
        f"{run['load_average']}.{forced}",
        "",
        "| | what | ours | reference | against | ratio | bar | | n |",
        "|---|---|---:|---:|---|---:|---|---|---:|",
    ]
    for row in rows:
        line = [text.replace("|", "\\|") for text in cells(row)]
        if line[7] == "missed":
            line[7] = "**missed**"
        lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines)


def describe(machine):
    """Return the machine's part of a sentence."""
    postgres = machine["postgresql"]
    return (
        f"{machine['processors']} processors "
        f"({machine['processor']}), {machine['memory_gb']} GB, "
        f"Python {machine['python']}, "
        f"PostgreSQL {postgres['server_version'].split(' ')[0]} with "
        f"`shared_buffers` {postgres['shared_buffers']}"
    )


def write_json(path, rows, run):
    """Write all that was measured, each sample included."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {**run, "rows": [row.to_dict() for row in rows]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def write_docs(rows, run, path=DOCS):
    write_between(path, BEGIN, END, to_markdown(rows, run))


def write_between(path, begin, end, table):
    """Replace what stands between the markers of a document.

    :raise ValueError: the document has no markers
    """
    text = path.read_text()
    before, found_begin, rest = text.partition(begin)
    _old, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} has no place for the table: {begin} … {end}")
    path.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}")


def describe_run(site, mode, load_average):
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "mode": mode,
        "load_average": load_average,
        "machine": describe_machine(site),
    }
