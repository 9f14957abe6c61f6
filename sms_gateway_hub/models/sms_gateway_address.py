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
        # A copy gets another address from somebody else; but see ``copy_data``.
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
        names = {"code", "local_network"}
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

    def write(self, vals):
        """What was allowed to one address is not to another of somebody else."""
        moved = self.browse()
        if not self._may_set_local_network():
            moved = self.sudo().filtered(lambda gateway: gateway._is_moved_by(vals))
        res = super().write(vals)
        if moved:
            # The new address is judged by that.
            moved.local_network = False
        return res

    def copy_data(self, default=None):
        """Copy what the user may see: core would refuse to copy the rest, and all."""
        default = default or {}
        hidden = {
            name
            for name, field in self._fields.items()
            if field.copy
            and name not in default
            and not self._has_field_access(field, "read")
        }
        vals_list = super().copy_data({**dict.fromkeys(hidden), **default})
        for gateway, vals in zip(self, vals_list, strict=True):
            if vals is None:
                continue
            left_out = set(hidden)
            addresses_here = {
                name
                for name in gateway._get_adapter()._get_address_fields()
                if addresses.place_of((gateway.sudo()[name] or "").strip()) == "local"
            }
            if addresses_here and self._may_set_local_network():
                # Without it, the copy would be refused.
                vals.setdefault("local_network", gateway.local_network)
            else:
                left_out |= addresses_here
            for name in left_out - default.keys():
                vals.pop(name, None)
        return vals_list

    def _may_set_local_network(self):
        return self._has_field_access(self._fields["local_network"], "write")

    def _is_moved_by(self, vals):
        """Say whether values lead a gateway on the local network elsewhere."""
        self.ensure_one()
        names = {"code", *self._get_adapter()._get_address_fields()} & vals.keys()
        return self.local_network and any(
            (vals[name] or "") != (self[name] or "") for name in names
        )
