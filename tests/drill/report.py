# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table of a drill: for people, as JSON, and in docs/reliability.md."""

from bench import report as bench
from support import CHECKOUT

DOCS = CHECKOUT / "docs" / "reliability.md"
BEGIN, END = "<!-- drill: begin -->", "<!-- drill: end -->"
HEAD = ("", "what", "accepted", "lost", "doubled", "unconfirmed", "stuck", "s", "")


def total(rows):
    """Return the sums of all rows, as a row."""
    row = type(rows[0])("", "in all")
    for other in rows:
        for name in ("accepted", "lost", "doubled", "settled", "visible", "stuck"):
            setattr(row, name, getattr(row, name) + getattr(other, name))
        row.seconds += other.seconds
    failed = [other.key for other in rows if not other.held]
    row.note = f"not held: {', '.join(failed)}" if failed else "all held"
    return row


def cells(row):
    """Return the columns of a row as text; unknown outcomes are settled / visible."""
    return (
        row.key,
        row.name,
        f"{row.accepted:,}",
        f"{row.lost:,}",
        f"{row.doubled:,}",
        f"{row.settled:,} / {row.visible:,}",
        f"{row.stuck:,}",
        f"{row.seconds:.0f}",
        f"FAILED: {row.error}" if row.error else row.note,
    )


def to_text(rows):
    return bench.to_columns([HEAD, *map(cells, [*rows, total(rows)])], range(2, 8))


def to_markdown(rows, run):
    """Return the table for the document, with machine, date, seed and version."""
    lines = [
        f"Taken on {run['date'][:10]} at commit `{run['machine']['commit']}`, version "
        f"{run['version']}, in {run['mode']} mode with seed {run['seed']}: "
        f"{bench.describe(run['machine'])}; {run['kills']} kills. "
        f"Odoo ran with 2 HTTP and 2 cron workers. {run['log']}",
        "",
        "| | fault | accepted | lost | doubled | unconfirmed: settled / visible "
        "| stuck | s | |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in [*rows, total(rows)]:
        line = " | ".join(text.replace("|", "\\|") for text in cells(row))
        lines.append(f"| {line} |".replace("\n", " "))
    return "\n".join(lines)


def write_docs(rows, run, path=DOCS):
    bench.write_between(path, BEGIN, END, to_markdown(rows, run))
