# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table of a drill: for people, as JSON, and in docs/reliability.md."""

from bench import report as bench
from support import CHECKOUT

DOCS = CHECKOUT / "docs" / "reliability.md"
BEGIN, END = "<!-- drill: begin -->", "<!-- drill: end -->"
NUMBERS = (
    *("accepted", "unsent", "lost", "doubled"),
    *("unknown", "settled", "visible", "stuck"),
)
HEAD = ("", "what", *NUMBERS, "s", "")


def total(rows):
    """Return the sums of all rows, as a row."""
    row = type(rows[0])("", "in all")
    for other in rows:
        for name in NUMBERS:
            setattr(row, name, getattr(row, name) + getattr(other, name))
        row.seconds += other.seconds
    failed = [other.key for other in rows if not other.held]
    row.note = f"not held: {', '.join(failed)}" if failed else "all held"
    return row


def cells(row):
    """Return the columns of a row as text."""
    return (
        row.key,
        row.name,
        *(f"{getattr(row, name):,}" for name in NUMBERS),
        f"{row.seconds:.0f}",
        f"FAILED: {row.error}" if row.error else row.note,
    )


def bars(rows):
    """Return the figures for the document's table of bars, a line each."""
    faults = [row for row in rows if row.key.startswith("F")]
    whole = total(rows)
    return [
        *([f"R1, F1 to F25: {_share('lost', faults)}."] if faults else []),
        f"R2: {_share('doubled', rows)}.",
        f"R3: {whole.settled + whole.visible:,} of {whole.unknown:,}.",
        f"R4: {whole.stuck:,}.",
    ]


def _share(name, rows):
    """Divide by texts that left or ended; what never left is no proof, and apart."""
    whole = total(rows)
    words = f"{getattr(whole, name):,} of {whole.accepted - whole.unsent:,}"
    if whole.unsent:
        apart = ", ".join(f"{row.key} {row.unsent:,}" for row in rows if row.unsent)
        words += f", and of {whole.unsent:,} that never left ({apart})"
    return words


def to_text(rows):
    return "\n".join(
        [
            bench.to_columns(
                [HEAD, *map(cells, [*rows, total(rows)])], range(2, len(HEAD) - 1)
            ),
            "",
            *bars(rows),
        ]
    )


def to_markdown(rows, run):
    """Return the table for the document, with machine, date, seed and version."""
    lines = [
        f"Taken on {run['date'][:10]} at commit `{run['machine']['commit']}`, version "
        f"{run['version']}, in {run['mode']} mode with seed {run['seed']}: "
        f"{bench.describe(run['machine'])}; {run['kills']} kills. "
        f"Odoo ran with 2 HTTP and 2 cron workers. {run['log']}",
        "",
        f"| | fault | {' | '.join(NUMBERS)} | s | |",
        f"|---|---|{'---:|' * (len(NUMBERS) + 1)}---|",
    ]
    for row in [*rows, total(rows)]:
        line = " | ".join(text.replace("|", "\\|") for text in cells(row))
        lines.append(f"| {line} |".replace("\n", " "))
    return "\n".join([*lines, "", " ".join(bars(rows))])


def write_docs(rows, run, path=DOCS):
    bench.write_between(path, BEGIN, END, to_markdown(rows, run))
