# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import MissingError
from odoo.tools import SQL, ormcache

from .. import const
from ..tools import webhook


class SmsGateway(models.Model):
    """The gateway of a callback, and how many of them are taken."""

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    callback_rate = fields.Integer(
        "Callbacks per second",
        default=const.CALLBACK_RATE,
        required=True,
        help="More callbacks than this, over ten seconds, are refused for a moment: "
        "the gateway is asked to repeat them. 0: no limit.",
    )

    _callback_rate_positive = models.Constraint(
        "CHECK (callback_rate >= 0)",
        "“Callbacks per second” must not be negative.",
    )

    @api.model
    def _find_by_digest(self, digest, likely=None):
        """Return the gateway in service that a callback is for, at most one.

        With it comes what its adapter needs to verify and to store: the whole row would
        cost more than the verification.

        :param str digest: of the token
        :param likely: (id, kind) of the gateway that it was for the last time
        """
        if likely:
            gateway = self.browse(likely[0])
            gateway.fetch(self._get_callback_fields(likely[1]))
            if gateway._is_called_by(digest):
                return gateway
        self.flush_model(["webhook_digest", "state", "active"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, code FROM sms_gateway
                 WHERE webhook_digest = %s AND state != 'disabled' AND active
                """,
                digest,
            )
        )
        if not rows:
            return self.browse()
        [(gateway_id, code)] = rows
        gateway = self.browse(gateway_id)
        gateway.fetch(self._get_callback_fields(code))
        return gateway

    def _is_called_by(self, digest):
        """Say whether a callback is for this gateway, which may be gone."""
        try:
            return bool(
                webhook.secrets_equal(digest, self.webhook_digest)
                and self.active
                and self.state != "disabled"
            )
        except MissingError:
            return False

    @api.model
    def _get_callback_digests(self):
        """Return the tokens in service.

        :return: list of (digest, id and kind of the gateway, callbacks per second)
        """
        return self.env.execute_query(
            SQL(
                """
                SELECT webhook_digest, id, code, callback_rate FROM sms_gateway
                 WHERE webhook_digest IS NOT NULL AND state != 'disabled' AND active
                """
            )
        )

    @api.model
    @ormcache("code")
    def _get_callback_fields(self, code):
        """Return the fields that callbacks need: credentials, and those of its kind.

        What else an adapter reads is fetched when it does.

        :param str code: the kind of gateway
        """
        return (
            "active",
            "callback_rate",
            "code",
            "state",
            *(
                name
                for name, field in self._fields.items()
                if field.store
                and field.column_type
                and (
                    name.startswith(f"{code}_")
                    or field.type == "char"
                    and "base.group_system" in (field.groups or "")
                )
            ),
        )
