# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import fields, models

from odoo.addons.phone_validation.tools.phone_validation import phone_format
from odoo.addons.sms_gateway_hub import const as hub_const
from odoo.addons.sms_gateway_hub.exceptions import WebhookRejected
from odoo.addons.sms_gateway_hub.tools import webhook
from odoo.addons.sms_gateway_hub.tools.gateway_data import (
    DeliveryReport,
    InboundMessage,
    PollOutcome,
    PollStep,
)
from odoo.addons.sms_gateway_hub.tools.segments import clean_text

from .. import const
from ..tools import smssync

_logger = logging.getLogger(__name__)

# Shorter numbers of digits alone are short codes: they belong to no country.
_NATIONAL_DIGITS_MIN = 7
# Requests that carry the secret. The others are bound by the path alone.
_PROVES = frozenset({"inbound", "offer", "ask", "report", "test"})


class SmsGatewayAdapterSmssync(models.AbstractModel):
    """Android phones that run the app SMSsync, versions 2.6.1 to 3.1.1.

    A phone is known by the path of its address and proves itself by its secret, where
    the app sends one: with texts that came in (A), polls for texts (B), polls for
    results (D, E; two old versions leave it out) and the test button (F). Claims (C),
    battery alerts (G) and queries (H) never carry it.
    """

    _name = "sms.gateway.adapter.smssync"
    _inherit = "sms.gateway.adapter.pull"
    _description = "SMSsync SMS gateway adapter"

    def _get_features(self, gateway):
        return {"inbound", "delivery_report"}

    # -- What a phone wants ----------------------------------------------------

    def _get_poll_methods(self, gateway):
        return {"GET", "POST", "PUT"}

    def _get_reported_states(self, device):
        """Say what this phone's version reports; from 3.0.4 on no success at all.

        A version that nobody knows reports nothing: nobody waits for it.
        """
        return smssync.reports_of(smssync.read_version(device.version))

    def _parse_poll(self, device, data):
        request = smssync.read_request(data, device._get_key_names())
        seen = {}
        refusal = self._refuse(device, data, request)
        if request.version and request.secret and not refusal:
            # What a version may do depends on it: only who proved itself may say.
            seen["version"] = smssync.format_version(request.version)
        if refusal:
            if request.kind == "test":
                # A red test is worth seeing. The app itself always shows a green one.
                seen["test_result"] = refusal
            return PollStep("refused", detail=refusal, seen=seen)
        parse = getattr(self, f"_parse_poll_{request.kind}")
        return parse(device, request, seen)

    def _refuse(self, device, data, request):
        """Return in plain words why a request is not let in, or None."""
        if device.basic_user or device.basic_password:
            try:
                webhook.check_basic_auth(
                    data.headers, device.basic_user, device.basic_password
                )
            except WebhookRejected:
                return self.env._(
                    "The user name or the password in the Sync URL is wrong."
                )
        if request.kind not in _PROVES:
            return None
        if request.secret is None and request.kind in ("ask", "report"):
            # 2.7 and 2.7.1 never send it here. Their name alone proves nothing: the
            # phone has polled as one of them, with its secret.
            known = smssync.read_version(device.version)
            if {request.version, known} <= const.FRAGILE_VERSIONS:
                return None
        if webhook.secrets_equal(request.secret, device.secret):
            return None
        if not request.secret:
            return self.env._("The secret is missing: enter it for the Sync URL.")
        return self.env._(
            "The secret is wrong: enter the one that Odoo shows for this phone."
        )

    def _parse_poll_offer(self, device, request, seen):
        final = not self._acknowledges(device, request)
        if final:
            seen["acknowledges"] = "no"
        return PollStep("offer", final=final, seen=seen)

    def _acknowledges(self, device, request):
        """Say whether an offer is to be claimed before the phone sends it.

        Nothing in the poll tells: the administrator does, and 2.6.1 cannot.
        """
        return device.results_api != "off" and smssync.has_results_api(request.version)

    def _parse_poll_claim(self, device, request, seen):
        if device.results_api == "off":
            # No phone asks before it sends unless the switch is on. What it fetched
            # until now counts as taken, and it will not send that.
            seen["results_api"] = "auto"
        return PollStep("claim", refs=request.refs, seen=seen)

    def _parse_poll_ask(self, device, request, seen):
        return PollStep("ask", seen=seen)

    def _parse_poll_report(self, device, request, seen):
        items = tuple(
            DeliveryReport(
                event_key=webhook.event_key(
                    "result", result.uuid, result.state, result.code, result.detail
                ),
                state=result.state,
                external_ref=result.uuid,
                failure_type=result.failure_type,
                provider_code=result.code,
                detail=result.detail,
            )
            for result in smssync.read_results(request.results, request.version)
        )
        return PollStep("report", items=items, seen=seen)

    def _parse_poll_inbound(self, device, request, seen):
        values = request.values
        now = fields.Datetime.now()
        own_number = self._get_word(values, "sent_to")
        first, end = const.SENT_TO_IS_SENDER
        if first <= request.version < end or own_number == self._get_word(
            values, "from"
        ):
            own_number = ""
        if unique_id := self._get_word(values, "device_id"):
            seen["unique_id"] = unique_id
        item = InboundMessage(
            event_key=smssync.message_key(values, now),
            number=self._format_sender(device, self._get_word(values, "from")),
            body=values.get("message", ""),
            recipient=own_number,
            readable=request.readable,
            external_ref=self._get_word(values, "message_id") or None,
            sent_at=smssync.read_time(values.get("sent_timestamp"), now),
        )
        at_once = device.instant_replies and smssync.may_reply_at_once(request.version)
        return PollStep(
            "inbound",
            items=(item,),
            then_offer=const.INSTANT_REPLIES_MAX if at_once else 0,
            seen=seen,
        )

    def _get_word(self, values, name, limit=64):
        """Return a short field as every column and every screen can carry it."""
        return clean_text(values.get(name, "")).strip()[:limit]

    def _format_sender(self, device, sender):
        """Return a sender in international form, a name or short code as it came."""
        digits = "".join(char for char in sender if char.isdigit())
        if len(digits) >= _NATIONAL_DIGITS_MIN and not any(
            char.isalpha() for char in sender
        ):
            company = device.gateway_id.company_id or self.env.company
            country = company.country_id
            formatted = phone_format(
                sender,
                country.code,
                country.phone_code,
                force_format="E164",
                raise_exception=False,
            )
            if formatted:
                return formatted
        return sender or hub_const.NO_NUMBER

    def _parse_poll_test(self, device, request, seen):
        seen["test_result"] = self.env._("Passed: address and secret are right.")
        return PollStep("seen", seen=seen)

    def _parse_poll_alert(self, device, request, seen):
        """Read a battery alert; of 3.x nothing but that there is one can be known."""
        words = self._get_word(request.values, "message", 256)
        percent = None
        if not request.values.get("error_code"):
            percent = smssync.read_battery(words)
        if percent is not None:
            seen["battery"] = percent
        seen["alert"] = words or self.env._("The battery is low.")
        seen["alert_at"] = fields.Datetime.now()
        return PollStep("seen", seen=seen)

    def _parse_poll_ping(self, device, request, seen):
        return PollStep("seen", seen=seen)

    def _parse_poll_other(self, device, request, seen):
        return PollStep(
            "seen",
            seen=seen,
            detail=self.env._(
                "Nothing in it could be read as a text: use the default keys."
            ),
        )

    # -- The answer ------------------------------------------------------------

    def _make_poll_response(self, device, data, step, outcome):
        try:
            body = self._word_answer(device, data, step, outcome or PollOutcome())
        except Exception as error:
            # Its message may hold what came in.
            _logger.warning(
                "SMSsync: an answer could not be worded: %s", type(error).__name__
            )
            body = smssync.NEUTRAL
        return 200, smssync.CONTENT_TYPE, body

    def _word_answer(self, device, data, step, outcome):
        kind, task, version = "other", "", ()
        try:
            request = smssync.read_request(data, device._get_key_names())
            kind, task, version = request.kind, request.task, request.version
        except ValueError:
            task = smssync.parse_query(data.raw_query).get("task", "")
        done = step is not None and step.kind != "refused" and outcome.done
        error = (
            outcome.error
            or (step is not None and step.detail)
            or self.env._("The server could not take this now: it works again later.")
        )
        offers = [
            (reference, message.number, message.body)
            for reference, message in outcome.offers
        ]
        if kind == "offer":
            if done and step.kind == "offer":
                return smssync.answer_offer(device.secret, offers, version)
            return smssync.answer_refused(error)
        if kind in ("claim", "ask") or kind == "other" and task in ("sent", "result"):
            taken = done and step.kind == kind
            return smssync.answer_references(outcome.refs if taken else ())
        if kind in ("inbound", "test"):
            if done:
                return smssync.answer_stored(offers if step.then_offer else ())
            return smssync.answer_not_stored(error)
        if kind in ("report", "alert"):
            return smssync.answer_taken()
        if kind == "ping":
            error = self.env._("This address is for the app SMSsync. It is reachable.")
        return smssync.answer_refused(error)
