# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from psycopg2 import sql

from odoo.addons.sms_gateway_hub.tools import addresses

_logger = logging.getLogger(__name__)

# An address that the gateway calls us at, not the other way round.
_OURS = ("webhook_base_url",)


def migrate(cr, version):
    """Let gateways that stand on the local network go on working.

    Which column holds the address is known to the addon of each kind alone, and those
    are loaded later: every text of a gateway that is an address is looked at. Only
    what is local by its form counts (127.0.0.1, 192.168.1.5, localhost, kannel.lan): a
    name is not resolved here, as an answer of today says nothing. A gateway behind
    another name in the local network pauses with the first text after the update, says
    which switch to set, and loses nothing.
    """
    cr.execute(
        """
        SELECT column_name FROM information_schema.columns
         WHERE table_schema = current_schema AND table_name = 'sms_gateway'
           AND data_type IN ('character varying', 'text')
           AND NOT column_name = ANY(%s)
        """,
        [list(_OURS)],
    )
    local = set()
    for (column,) in cr.fetchall():
        cr.execute(
            sql.SQL(
                "SELECT id, {column} FROM sms_gateway WHERE {column} ~* '^\\s*https?://'"
            ).format(column=sql.Identifier(column))
        )
        local.update(
            gateway_id
            for gateway_id, url in cr.fetchall()
            if addresses.place_of(url.strip()) == "local"
        )
    if local:
        cr.execute(
            "UPDATE sms_gateway SET local_network = TRUE WHERE id = ANY(%s)",
            [sorted(local)],
        )
        _logger.info(
            "SMS gateways %s stand on the local network and may stay there",
            sorted(local),
        )
