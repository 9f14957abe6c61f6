# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..tools import addresses


class SmsGateway(models.Model):
    """Where a gateway may be: whoever sets its address makes the server call it."""

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    local_network = fields.Boolean(
        "May be on the local network",
        # A copy gets another address from somebody else.
        copy=False,
        groups="base.group_system",
        tracking=True,
        help="The gateway is a program on this machine, or a phone or box in your own "
        "network. Off: Odoo refuses to call addresses there, because whoever enters "
        "an address could reach what is not open to them.",
    )
    has_address = fields.Boolean(compute="_compute_has_address")

    @api.depends("code")
    def _compute_has_address(self):
        for gateway in self:
            gateway.has_address = bool(gateway._get_adapter()._get_address_fields())

    @api.model
    def _get_all_address_fields(self):
        """Return the names of the address fields of all kinds of gateways."""
        names = {"local_network"}
        for code, _label in self._fields["code"].selection:
            names.update(self.new({"code": code})._get_adapter()._get_address_fields())
        return sorted(names & set(self._fields))

    @api.constrains(lambda self: self._get_all_address_fields())
    def _check_address(self):
        """Refuse what can be told without a resolver; the rest is told when it calls.

        A name leads elsewhere tomorrow: each connection is judged again.
        """
        for gateway in self.sudo():
            for name in gateway._get_adapter()._get_address_fields():
                place = addresses.place_of((gateway[name] or "").strip())
                label = gateway._fields[name].get_description(self.env)["string"]
                if place == "never":
                    raise ValidationError(
                        self.env._(
                            "“%s” leads to a place where no gateway can be.", label
                        )
                    )
                if place == "local" and not gateway.local_network:
                    raise ValidationError(
                        self.env._(
                            "“%s” leads into the local network. If the gateway stands "
                            "there, a system administrator has to switch on “May be on "
                            "the local network”.",
                            label,
                        )
                    )
