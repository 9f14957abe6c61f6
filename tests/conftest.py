# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fixtures of the live tests: one database and one running Odoo for all of them."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from support import CountingGateway, Database, OdooServer, browser_path

# Bounds how long the browser looks for something; it never waits for nothing.
EXPECT_MS = 60_000

# A browser's minute of waiting.
LOG_LINES = 150

# Besides the hub: what people text from, so that every way to text is tried.
MODULES = [
    "sms_gateway_hub",
    "sms_gateway_drill",
    "sms_gateway_clickatell",
    "sms_gateway_smssync",
    "base_automation",
    "calendar_sms",
    "mass_mailing_sms",
    "stock_sms",
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Show with a failed test what its Odoo logged last."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, OdooServer):
                report.sections.append((f"Log of “{name}”", value.tail(LOG_LINES)))
    return report


def log_folder(tmp_path_factory):
    """Return where servers write their logs; setup/test watches its folder."""
    folder = os.environ.get("SGH_LOG_DIR")
    return Path(folder) if folder else tmp_path_factory.mktemp("odoo")


@pytest.fixture(scope="session")
def pristine():
    """Give a database with all that live tests need, to copy: nobody connects to it."""
    database = Database(f"sgh_pristine_{os.getpid()}")
    database.create(MODULES, os.environ.get("SGH_CORE_DB"))
    yield database
    database.drop()


@pytest.fixture(scope="session")
def database(pristine):
    """Give a database with the hub, the tests' own gateway addon and others' SMS."""
    database = Database(f"sgh_live_{os.getpid()}")
    database.copy(pristine.name)
    # In a new database the stock's job conflicts with itself, which Odoo logs.
    database.rows(
        "UPDATE ir_cron SET active = FALSE WHERE id IN (SELECT res_id FROM "
        "ir_model_data WHERE module = 'stock' AND name = 'ir_cron_scheduler_action')"
    )
    yield database
    database.drop()


@pytest.fixture(scope="session")
def odoo(database, tmp_path_factory):
    """Give a running Odoo; a test that kills it starts it again."""
    server = OdooServer(database, log_folder(tmp_path_factory) / "live.log").start()
    yield server
    server.stop()


@pytest.fixture
def gateway():
    """Give a gateway that counts what reaches it."""
    counting = CountingGateway()
    yield counting
    counting.close()


@pytest.fixture
def new_page():
    """Give a function that opens a page of headless Chromium, in its own session.

    Errors of the console fail the test.
    """
    expect.set_options(timeout=EXPECT_MS)
    errors = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(),
            args=["--no-sandbox", "--disable-background-networking"],
        )

        def open_page(width=1366, height=900, **options):
            context = browser.new_context(
                viewport={"width": width, "height": height}, **options
            )
            page = context.new_page()
            page.set_default_timeout(EXPECT_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            return page

        yield open_page
        browser.close()
    assert not errors


@pytest.fixture
def page(new_page):
    """Give a page of headless Chromium."""
    return new_page()


@pytest.fixture
def shoot(page, tmp_path):
    """Give a function that keeps a screenshot: in SGH_SCREENSHOTS, to look at it."""
    folder = Path(os.environ.get("SGH_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def shoot(name, shown=page):
        # Without animations nothing is half faded in.
        shown.screenshot(path=folder / f"{name}.png", animations="disabled")

    yield shoot
    shoot("last")
