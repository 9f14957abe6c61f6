# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
from datetime import timedelta

from odoo import fields, models

from ..const import PRIORITY_LOW
from ..exceptions import (
    GatewayAccountError,
    GatewayNotReached,
    GatewayThrottled,
)
from ..tools import webhook
from ..tools.gateway_data import (
    DeliveryReport,
    InboundMessage,
    SendRequest,
    SendResult,
)
from ..tools.transport import LocalTransport

_CREDITS = 1000.0


class SmsGatewayAdapterSandbox(models.AbstractModel):
    """A gateway without account and network, for trying things out and for tests.

    What happens to a text follows from the gateway's sandbox rules: the first one
    that fits decides. Reports and answers are events with a due time, so that they
    take the same way as those of a real gateway.
    """

    _name = "sms.gateway.adapter.sandbox"
    _inherit = "sms.gateway.adapter"
    _description = "Sandbox SMS gateway adapter"

    def _get_features(self, gateway):
        return {
            "delivery_report",
            "inbound",
            "sender",
            "balance",
            "lookup",
            "coverage",
        }

    def _reaches_people(self, gateway):
        return False

    def _test_connection(self, gateway):
        return self.env._("The sandbox is always there: it needs no connection.")

    def _fetch_balance(self, gateway):
        """Pretend that there were 1,000 credits, of which texts took theirs."""
        [(spent,)] = self.env["sms.gateway.message"]._read_group(
            [("gateway_id", "=", gateway.id)], [], ["cost:sum"]
        )
        return _CREDITS - (spent or 0.0), "credits"

    def _fetch_status(self, gateway, references):
        """Tell what the rules have decided and what is due of it by now."""
        events = self.env["sms.gateway.event"].sudo()
        reports = []
        for uuid, reference in references:
            if not reference:
                # It "timed out": nobody knows, as with a real gateway.
                continue
            planned = events.search(
                [
                    ("gateway_id", "=", gateway.id),
                    ("kind", "=", "report"),
                    ("external_ref", "=", reference),
                    ("next_try_at", "<=", fields.Datetime.now()),
                ],
                limit=1,
            )
            state = planned.report_state or "sent"
            reports.append(
                DeliveryReport(
                    event_key=webhook.event_key("lookup", reference, state),
                    state=state,
                    uuid=uuid,
                    external_ref=reference,
                    failure_type=planned.failure_type or None,
                )
            )
        return reports

    def _check_coverage(self, gateway, number):
        return self.env._("The sandbox would text %s. Nobody would get it.", number)

    def _get_transport(self, gateway):
        return LocalTransport(lambda request: self._decide(gateway, request.messages))

    def _prepare_send_requests(self, gateway, messages):
        # A request of its own for each: an outcome that means the whole request,
        # like throttling, then meets only its message.
        return [SendRequest(messages=(message,)) for message in messages]

    def _parse_send_response(self, gateway, request, response):
        return response

    def _decide(self, gateway, messages):
        """Apply the rules to messages.

        :return: list of SendResult
        :raise GatewayError: where the rule says so
        """
        results = []
        for message in messages:
            rule = gateway.sandbox_rule_ids._find(message)
            if rule.outcome == "throttled":
                raise GatewayThrottled(
                    self.env._("The sandbox was asked to slow down."),
                    retry_after_s=rule.delay_s or 10,
                )
            if rule.outcome == "account":
                raise GatewayAccountError(
                    self.env._("The sandbox was asked to refuse the account.")
                )
            if rule.outcome == "not_reached":
                raise GatewayNotReached(
                    self.env._("The sandbox was asked not to be reachable.")
                )
            results.append(self._make_result(gateway, rule, message))
        return results

    def _make_result(self, gateway, rule, message):
        digest = hashlib.sha256(message.uuid.encode()).hexdigest()[:12].upper()
        reference = f"SB-{digest}"
        if rule.outcome == "refused":
            return SendResult(
                uuid=message.uuid,
                state="failed",
                failure_type="rejected",
                provider_code="SANDBOX",
                detail=self.env._("Refused, as the sandbox rule says."),
            )
        if rule.outcome == "timeout":
            return SendResult(
                uuid=message.uuid,
                state="unconfirmed",
                failure_type="unknown_outcome",
                detail=self.env._("No answer in time, as the sandbox rule says."),
            )
        self._plan_follow_ups(gateway, rule, message, reference)
        return SendResult(
            uuid=message.uuid,
            state="sent",
            external_ref=reference,
            cost=rule.cost * message.segments if rule else None,
            cost_unit="credits" if rule else None,
        )

    def _is_answer(self, message):
        """Say whether a text answers a keyword: nobody answers that in turn."""
        stored = self.env["sms.gateway.message"].search([("uuid", "=", message.uuid)])
        return stored.exempt == "answer"

    def _plan_follow_ups(self, gateway, rule, message, reference):
        events = self.env["sms.gateway.event"]
        outcome = rule.outcome or "delivered"
        delay_s = rule.delay_s if rule else 1
        due_at = fields.Datetime.now() + timedelta(seconds=delay_s)
        if outcome != "accepted":
            report = DeliveryReport(
                event_key=webhook.event_key("report", reference),
                state=outcome,
                external_ref=reference,
                uuid=message.uuid,
                occurred_at=due_at,
                failure_type="number_dead" if outcome == "undelivered" else None,
                detail=self.env._("As the sandbox rule says.")
                if outcome == "undelivered"
                else None,
            )
            events._store(gateway, [report], due_in_s=delay_s)
        # Nobody answers what did not arrive. Nor are mass texts answered: thousands of
        # them would help nobody.
        arrives = outcome in ("delivered", "accepted")
        if (
            rule.reply
            and arrives
            and message.priority != PRIORITY_LOW
            and not self._is_answer(message)
        ):
            reply_in_s = delay_s + 2
            answer = InboundMessage(
                event_key=webhook.event_key("reply", reference),
                number=message.number,
                recipient=message.sender,
                body=rule.reply.replace("{text}", message.body),
                sent_at=fields.Datetime.now() + timedelta(seconds=reply_in_s),
            )
            events._store(gateway, [answer], due_in_s=reply_in_s)
        events._trigger_apply()
