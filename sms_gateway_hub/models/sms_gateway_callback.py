# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import Counter

from odoo import api, fields, models
from odoo.tools import SQL, ormcache

from .. import const

# Database -> how often what callbacks need was changed, as far as this process knows.
_changes = Counter()


class _NobodyInService(Exception):
    """No gateway in service has this token. Raised, so that no cache keeps guesses."""


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
    def _find_by_digest(self, digest):
        """Return the gateway in service that a callback is for, at most one.

        What its adapter needs to verify and to store comes from a cache: reading it
        would cost more than the verification.

        :param str digest: of the token
        """
        try:
            gateway_id, values = self._get_callback_facts(digest)
        except _NobodyInService:
            return self.browse()
        gateway = self.browse(gateway_id)
        for name, value in values:
            self._fields[name]._insert_cache(gateway, (value,))
        return gateway

    @api.model
    @ormcache("digest", "self._count_callback_changes()")
    def _get_callback_facts(self, digest):
        """Return the gateway of a token, and what callbacks read of it.

        :return: (id, tuple of names of fields and values as the ORM's cache has them)
        :raise _NobodyInService: there is none
        """
        # Of this moment: the caller's transaction may be as old as its request, whose
        # body can be held back at will.
        with self.env.registry.cursor() as cr:
            gateway = (
                self.with_env(self.env(cr=cr))
                .sudo()
                .search(
                    [("webhook_digest", "=", digest), ("state", "!=", "disabled")],
                    limit=1,
                )
            )
            if not gateway:
                raise _NobodyInService
            names = self._get_callback_fields(gateway.code)
            gateway.fetch(names)
            return gateway.id, tuple(
                (name, self._fields[name]._get_cache(gateway.env)[gateway.id])
                for name in names
            )

    @api.model
    def _count_callback_changes(self):
        """Return a number that changes with what callbacks need of any gateway."""
        return _changes[self.env.cr.dbname]

    def write(self, vals):
        res = super().write(vals)
        codes = {*self.mapped("code"), vals.get("code")} - {None, False}
        if any(
            not vals.keys().isdisjoint(self._get_callback_fields(code))
            for code in codes
        ):
            self._forget_callback_facts()
        return res

    def unlink(self):
        res = super().unlink()
        self._forget_callback_facts()
        return res

    @api.model
    def _forget_callback_facts(self):
        """Have all processes read anew what callbacks need."""
        registry = self.env.registry
        registry.clear_cache()

        def tell():
            # What another thread read before the commit is kept by the old number.
            _changes[registry.db_name] += 1
            registry.clear_cache()
            if registry.ready:
                # Jobs tell other processes before they commit, shells never.
                registry.signal_changes()

        self.env.cr.postcommit.add(tell)

    @api.model
    def _get_callback_digests(self):
        """Return the tokens in service.

        :return: list of (digest, id of the gateway)
        """
        return self.env.execute_query(
            SQL(
                """
                SELECT webhook_digest, id FROM sms_gateway
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
            "company_id",
            "state",
            *self._get_secret_names(),
            *(
                name
                for name, field in self._fields.items()
                if name.startswith(f"{code}_")
                and name not in self._get_secret_names()
                and field.store
                and field.column_type
                and not field.translate
                and not field.company_dependent
            ),
        )

    @api.model
    @ormcache()
    def _get_secret_names(self):
        """Return the text fields that none but system administrators may read."""
        return tuple(
            name
            for name, field in self._fields.items()
            if field.type == "char"
            and field.store
            and "base.group_system" in (field.groups or "")
        )
