# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import math
import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import get_lang

from .. import const
from ..exceptions import GatewayError, GatewayOutcomeUnknown
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

_ALARM = "sms_gateway_hub.mail_activity_type_balance"
# A little less than the job's hour, so that the job finds it due.
_ASK_EVERY = timedelta(minutes=55)


class SmsGateway(models.Model):
    """What is left on the account, and a warning before it is used up.

    The gateway is asked outside of any transaction that writes; what it says is stored
    in a short one of its own.
    """

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    balance = fields.Float(readonly=True, copy=False)
    balance_unit = fields.Char(readonly=True, copy=False)
    balance_at = fields.Datetime("Balance as of", readonly=True, copy=False)
    balance_next_at = fields.Datetime(
        readonly=True, copy=False, help="When the job asks for the balance again."
    )
    balance_alarm_below = fields.Float(
        "Warn below",
        help="The responsible user is told once when the balance falls below this "
        "amount, in the unit of the balance. 0: no warning.",
    )
    balance_alarm = fields.Boolean(
        "Balance is low",
        readonly=True,
        copy=False,
        help="The responsible user was told, and the balance has not risen since.",
    )

    _balance_alarm_positive = models.Constraint(
        "CHECK (balance_alarm_below >= 0)", "“Warn below” must not be negative."
    )

    def write(self, vals):
        res = super().write(vals)
        if "balance_alarm_below" in vals:
            for gateway in self.sudo().filtered("balance_at"):
                gateway._check_balance()
        return res

    @api.model
    def _cron_balance(self):
        """Ask gateways that can tell for their balance; each on its own."""
        now = fields.Datetime.now()
        gateways = self.search([("state", "!=", "disabled")]).filtered(
            lambda gateway: (
                gateway.feature_balance
                and not (gateway.balance_next_at and gateway.balance_next_at > now)
            )
        )
        if self._is_neutralized():
            return
        end = time.monotonic() + const.ASK_BUDGET_S
        for gateway in gateways:
            if time.monotonic() >= end:
                # Slow ones must not outlast the job: the next run asks the rest.
                self.env.ref("sms_gateway_hub.ir_cron_balance").sudo()._trigger()
                break
            try:
                gateway._update_balance()
            except (GatewayError, UserError) as error:
                _logger.info(
                    "SMS gateway %s: no balance: %s", gateway.id, type(error).__name__
                )
            except Exception:
                # One gateway's trouble is not the others'.
                _logger.exception("SMS gateway %s: no balance", gateway.id)

    def _update_balance(self):
        """Ask the gateway what is left, now, and store it.

        :return: amount and unit
        :raise GatewayError, UserError: it does not tell
        """
        self.ensure_one()
        gateway_id = self.id
        values = {"balance_next_at": fields.Datetime.now() + _ASK_EVERY}
        try:
            amount, unit = self._get_adapter()._fetch_balance(self.sudo())
            amount = float(amount)
            if not math.isfinite(amount):
                raise GatewayOutcomeUnknown("The balance is no number")
            values.update(
                balance=amount,
                balance_unit=str(unit or "")[:32] or False,
                balance_at=fields.Datetime.now(),
            )
        finally:
            # Not at once again either when it did not tell.
            in_new_transaction(
                self.env,
                lambda env: (
                    env["sms.gateway"].browse(gateway_id).sudo()._store_balance(values)
                ),
            )
        self.invalidate_recordset()
        return amount, values["balance_unit"]

    def _store_balance(self, values):
        self.ensure_one()
        self.write(values)
        if "balance" in values:
            self._check_balance()

    def _check_balance(self):
        """Tell the responsible user once that the balance is low, and when it is not.

        Somebody who ticks the activity off is not told again before it rose.
        """
        self.ensure_one()
        is_low = self.balance < (self.balance_alarm_below or -math.inf)
        if is_low == self.balance_alarm:
            return
        self.balance_alarm = is_low
        if is_low:
            self._alert(
                _ALARM,
                self.env._("Balance of gateway “%s” is low", self.name),
                self.env._(
                    "%(balance)s left, less than the %(limit)s below which you want to "
                    "be warned. Top the account up: without credit its texts wait.",
                    balance=self._format_balance(self.balance, self.balance_unit),
                    limit=self._format_balance(
                        self.balance_alarm_below, self.balance_unit
                    ),
                ),
            )
        else:
            self.activity_unlink([_ALARM])

    def _format_balance(self, amount, unit):
        """Return an amount with its unit, for people."""
        text = f"{amount:.2f}".replace(".", get_lang(self.env).decimal_point)
        if unit in (False, "credits"):
            return self.env._("%s credits", text)
        return f"{text} {unit}"

    def _ask_balance_soon(self):
        """The account was refused, maybe for want of credit: ask for the balance."""
        self.ensure_one()
        if self.feature_balance:
            self.balance_next_at = False
            self.env.ref("sms_gateway_hub.ir_cron_balance").sudo()._trigger()

    def action_update_balance(self):
        """Ask the gateway what is left on the account.

        :raise UserError: it does not tell
        """
        self.check_access("write")
        for gateway in self.sudo():
            # This transaction began before the answer came: it does not see it.
            amount, unit = gateway._ask(gateway._update_balance)
        if len(self) != 1:
            return True
        return self._notify_user(
            self.env._("Balance: %s.", self._format_balance(amount, unit)), "success"
        )
