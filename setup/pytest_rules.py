"""What fails a test of this repository besides its assertions.

- A skip whose reason says nothing: a skipped test must state why.
- A line of WARNING or above in Odoo's log that comes from one of our addons or names
  one, and any line of ERROR or above, while the test runs. ``assertLogs`` and
  ``mute_logger`` keep expected lines out, as they do with Odoo's own runner.
- The same in a log file ``$SGH_LOG_DIR/*.log`` of a server that a test started.

Each makes the test itself fail, so that pytest's last line counts it.
"""

import logging
import os
import re
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
ADDONS = [name for name in os.environ.get("SGH_ADDONS", "").split(",") if name] or [
    path.parent.name
    for pattern in ("*/__manifest__.py", "tests/addons/*/__manifest__.py")
    for path in CHECKOUT.glob(pattern)
]
OUR_NAMES = re.compile(rf"\b({'|'.join(map(re.escape, ADDONS))})\b")
# A line of a log file: date, time, process, level, database, logger, text.
LOG_LINE = re.compile(
    r"^\S+ \S+ \d+ (?P<level>[A-Z]+) \S+ (?P<logger>\S+): (?P<text>.*)"
)
# What somebody saves on a gateway, by the ORM, may meet the gateway's own job.
SAVED_GATEWAY = re.compile(r'bad query: \s*UPDATE "sms_gateway" ')
# Loggers whose lines are about the machine, not about the code under test.
FOREIGN_LOGGERS = ("odoo.tests", "odoo.addons.base.models.ir_actions_report")
EMPTY_REASONS = {""}
EMPTY_REASONS |= {"broken", "disabled", "fails", "failing", "fixme", "flaky", "later"}
EMPTY_REASONS |= {"no reason", "none", "not now", "skip", "skipped", "skipping", "tbd"}
EMPTY_REASONS |= {"todo", "unconditional skip", "wip"}


def is_offence(level, logger, text):
    """Tell whether a log line fails the test in which it appears.

    :param int level: the line's level, as ``logging`` numbers them
    :param str logger: name of the logger
    :param str text: the message
    :rtype: bool
    """
    if level < logging.WARNING or logger.startswith(FOREIGN_LOGGERS):
        return False
    if logger == "odoo.sql_db":
        # Odoo logs a conflict of two transactions as an error and tries again. Our own
        # transactions repeat themselves without a line.
        return "sms_gateway" in text and not SAVED_GATEWAY.match(text)
    if level >= logging.ERROR and logger.startswith("odoo"):
        return True
    return bool(ADDONS and (OUR_NAMES.search(logger) or OUR_NAMES.search(text)))


def says_nothing(reason):
    """Tell whether a reason to skip is empty, says nothing, or is a broken ground.

    :param str reason: what the test stated
    :rtype: bool
    """
    return reason.lower().rstrip(".! ") in EMPTY_REASONS or reason.endswith(
        ("--odoo-http is not set", "Chrome executable not found")
    )


class LogRule(logging.Handler):
    """Keeps the offending lines until the running phase of a test is reported."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []
        self.late = []
        self.offsets = {}

    def emit(self, record):
        text = record.getMessage()
        if record.exc_info:
            text += f"\n{logging.Formatter().formatException(record.exc_info)}"
        if is_offence(record.levelno, record.name, text):
            self.lines.append(f"{record.levelname} {record.name}: {text}")

    def read_files(self):
        """Read what the servers of the tests wrote since the last call."""
        folder = os.environ.get("SGH_LOG_DIR")
        for path in sorted(Path(folder).glob("*.log")) if folder else ():
            self.read_file(path)

    def read_file(self, path):
        """Read what was added to a log file since the last call."""
        with path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self.offsets.get(path, 0))
            for line in file:
                match = LOG_LINE.match(line)
                level = match and logging.getLevelName(match["level"])
                if isinstance(level, int) and is_offence(
                    level, match["logger"], match["text"]
                ):
                    self.lines.append(f"{path.name}: {line.rstrip()}")
            self.offsets[path] = file.tell()

    def take(self):
        """Return the lines kept so far, and forget them."""
        lines, self.lines = self.lines, []
        return lines


def pytest_configure(config):
    config.log_rule = LogRule()
    logging.getLogger().addHandler(config.log_rule)


def pytest_unconfigure(config):
    logging.getLogger().removeHandler(config.log_rule)


def skip_reason(report):
    """Return the stated reason of a skip or of an expected failure, or ``""``."""
    if hasattr(report, "wasxfail"):
        return report.wasxfail
    reason = report.longrepr
    if isinstance(reason, tuple):
        reason = reason[2]
    return str(reason).removeprefix("Skipped:").strip()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    rule = item.config.log_rule
    if report.when == "teardown":
        rule.read_files()
    lines = rule.take()
    if report.skipped:
        reason = skip_reason(report)
        if says_nothing(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped without a stated reason: {reason or 'none'}"
            if hasattr(report, "wasxfail"):
                del report.wasxfail
    elif report.passed and lines:
        report.outcome = "failed"
        report.longrepr = "\n".join(
            ["lines in Odoo's log that must not be there:", *lines]
        )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped and says_nothing(skip_reason(report)):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped without a stated reason"
    return report


def pytest_collection_modifyitems(config, items):
    """Addons first, then what starts servers; the given order within each."""
    live, addons = CHECKOUT / "tests", CHECKOUT / "tests" / "addons"
    items.sort(
        key=lambda item: live in item.path.parents and addons not in item.path.parents
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    rule = session.config.log_rule
    rule.read_files()
    rule.late = rule.take()
    if rule.late and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if config.log_rule.late:
        terminalreporter.section("lines in Odoo's log that must not be there")
        terminalreporter.write("\n".join(config.log_rule.late) + "\n")


def main(path):
    """Print the offending lines of a log file; the answer is 1 when there are any."""
    rule = LogRule()
    rule.read_file(Path(path))
    sys.stdout.write("".join(f"{line}\n" for line in rule.lines))
    return bool(rule.lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
