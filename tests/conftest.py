# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fixtures of the live tests: one database and one running Odoo for all of them."""

import os

import pytest
from support import CountingGateway, Database, OdooServer


@pytest.fixture(scope="session")
def database():
    """Give a database with the hub and the tests' own gateway addon."""
    database = Database(f"sgh_live_{os.getpid()}")
    database.create(
        ["sms_gateway_hub", "sms_gateway_drill"], os.environ.get("SGH_CORE_DB")
    )
    yield database
    database.drop()


@pytest.fixture(scope="session")
def odoo(database, tmp_path_factory):
    """Give a running Odoo; a test that kills it starts it again."""
    log = tmp_path_factory.mktemp("odoo") / "odoo.log"
    server = OdooServer(database, log).start()
    yield server
    server.stop()


@pytest.fixture
def gateway():
    """Give a gateway that counts what reaches it."""
    counting = CountingGateway()
    yield counting
    counting.close()
