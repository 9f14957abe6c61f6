# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import re
import time
from urllib.parse import quote

from odoo import models
from odoo.exceptions import UserError

from odoo.addons.sms_gateway_hub.exceptions import (
    GatewayAccountError,
    GatewayConfigError,
    GatewayError,
    GatewayOutcomeUnknown,
)
from odoo.addons.sms_gateway_hub.tools import webhook
from odoo.addons.sms_gateway_hub.tools.transport import redact

from .. import const
from ..tools import clickatell, clickatell_callback


class SmsGatewayAdapterClickatell(models.AbstractModel):
    """Clickatell: three APIs behind one choice on the gateway.

    What goes over the wire is in ``tools``, what its words mean in ``const.py``. Here
    is what needs the gateway's settings, and the words for people.
    """

    _name = "sms.gateway.adapter.clickatell"
    _inherit = "sms.gateway.adapter.http"
    _description = "Clickatell SMS gateway adapter"

    # -- Sending -------------------------------------------------------------

    def _get_max_messages_per_request(self, gateway):
        if gateway.clickatell_api != "one" and not gateway.clickatell_group:
            return 1
        parts = clickatell.max_request_parts(gateway.max_rate)
        return parts or const.RECIPIENTS_PER_REQUEST

    def _prepare_send_requests(self, gateway, messages):
        settings = self._get_settings(gateway)
        if settings.two_way and settings.api == "http":
            if any(not (m.sender or settings.sender) for m in messages):
                raise GatewayConfigError(
                    self._get_say(gateway)("two_way_sender"), field_name="sender"
                )
        return clickatell.build_requests(settings, messages)

    def _parse_send_response(self, gateway, request, response):
        settings = self._get_settings(gateway)
        return clickatell.parse_answer(
            settings, request.messages, response, self._get_say(gateway)
        )

    # -- Callbacks -----------------------------------------------------------

    def _get_webhook_methods(self, gateway):
        return {"GET", "POST"}

    def _verify_webhook(self, gateway, data):
        """Let a callback with the right basic authentication pass, if one is set.

        Beside it the secret of the address protects: Clickatell signs nothing. An empty
        call, by which it tries an address that is being saved, may come without.
        """
        gateway = gateway.sudo()
        user = gateway.clickatell_callback_user
        password = gateway.clickatell_callback_password
        if not user and not password:
            return
        if clickatell_callback.is_empty(data):
            return
        webhook.check_basic_auth(data.headers, user, password)

    def _parse_webhook(self, gateway, action, data):
        api_id = gateway.clickatell_api == "http" and gateway.clickatell_api_id
        return clickatell_callback.parse_callback(
            data, self._get_say(gateway), (api_id or "").strip() or None
        )

    def _make_webhook_response(self, gateway, outcome):
        if outcome == "unreadable":
            # It calls again for a while, which does no harm: one row is kept.
            return 400, "text/plain; charset=utf-8", b""
        return super()._make_webhook_response(gateway, outcome)

    def _get_address_fields(self):
        return ("clickatell_url",)

    def _redact_callback(self, gateway, raw):
        return clickatell_callback.redact(super()._redact_callback(gateway, raw))

    def _get_redacted_values(self, gateway):
        values = super()._get_redacted_values(gateway)
        gateway = gateway.sudo()
        # An address is no secret, and its words are in many a text.
        values.discard(gateway.clickatell_url)
        found = set()
        for name in ("clickatell_api_key", "clickatell_password"):
            value = gateway[name] or ""
            found |= {value.strip(), value.strip().rstrip("=")}
        if gateway.clickatell_callback_password:
            login = (
                f"{gateway.clickatell_callback_user or ''}:"
                f"{gateway.clickatell_callback_password}"
            )
            found.add(base64.b64encode(login.encode()).decode())
        # Some write %3d where others write %3D.
        found |= {
            re.sub(
                "%[0-9A-F]{2}", lambda match: match[0].lower(), quote(value, safe="")
            )
            for value in values | found
        }
        return values | {value for value in found if len(value) >= 4}

    # -- Extras --------------------------------------------------------------

    def _get_features(self, gateway):
        features = {"delivery_report", "inbound", "balance"}
        if gateway.clickatell_api == "http":
            return features | {
                "sender",
                "validity",
                "schedule",
                "lookup",
                "coverage",
            }
        if gateway.clickatell_two_way:
            features.add("sender")
        return features | {
            "schedule" if gateway.clickatell_api == "platform" else "lookup"
        }

    def _get_schedule_limit_s(self, gateway):
        features = self._get_features(gateway)
        return const.SCHEDULE_LIMIT_S if "schedule" in features else 0

    def _test_connection(self, gateway):
        amount, unit = self._fetch_balance(gateway)
        return self.env._(
            "Clickatell accepts the credentials. Left on the account: %(amount)s "
            "%(unit)s.",
            amount=f"{amount:.2f}",
            unit=unit,
        )

    def _fetch_balance(self, gateway):
        settings = self._get_settings_for_user(gateway)
        response = None
        for path in const.BALANCE_PATHS[settings.api]:
            response = self._ask(gateway, settings, path)
            if response.status != 404:
                break
        found = clickatell.parse_balance(settings.api, response)
        if found is None or not 200 <= response.status < 300:
            raise UserError(self._explain(gateway, settings, response))
        return found

    def _check_coverage(self, gateway, number):
        settings = self._get_settings_for_user(gateway)
        if settings.api != "http":
            return super()._check_coverage(gateway, number)
        response = None
        for path in const.COVERAGE_PATHS:
            response = self._ask(
                gateway, settings, path, msisdn=clickatell.digits(number)
            )
            if response.status != 404:
                break
        found = clickatell.parse_coverage(response.text)
        if found is None:
            raise UserError(self._explain(gateway, settings, response))
        served, charge = found
        if not served:
            return self.env._("Clickatell does not serve this number.")
        if charge is None:
            return self.env._("Clickatell serves this number.")
        return self.env._(
            "Clickatell serves this number. A text to it costs from %s credits up.",
            f"{charge:g}",
        )

    def _fetch_status(self, gateway, references):
        """Ask what became of messages, several at once.

        One API knows them by Clickatell's id alone, the HTTP API by ours as well. What
        Clickatell does not know is left as it is: its reporting may be late.
        """
        settings = self._get_settings(gateway)
        if settings.api == "platform":
            return []
        end = time.monotonic() + const.LOOKUP_BUDGET_S
        if settings.api == "one":
            return self._fetch_one_status(gateway, settings, references, end)
        return self._fetch_http_status(gateway, settings, references, end)

    def _fetch_one_status(self, gateway, settings, references, end):
        questions = [
            ((uuid, ref), settings, f"{const.STATUS_PATH}/{quote(ref, safe='')}", {})
            for uuid, ref in references
            if ref
        ]
        say = self._get_say(gateway)
        reports = [
            clickatell_callback.parse_one_status(uuid, ref, response, say)
            for (uuid, ref), response in self._ask_many(gateway, questions, end)
        ]
        return [report for report in reports if report]

    def _fetch_http_status(self, gateway, settings, references, end):
        questions = [
            (
                uuid,
                settings,
                const.HTTP_STATUS_PATH,
                {"apimsgid": ref} if ref else {"climsgid": uuid},
            )
            for uuid, ref in references
        ]
        found = {}
        for uuid, response in self._ask_many(gateway, questions, end):
            answer = clickatell.parse_http_status(response.text)
            if answer:
                found[uuid] = answer
        questions = [
            (uuid, settings, const.HTTP_CHARGE_PATH, {"apimsgid": ref})
            for uuid, (ref, _status) in found.items()
        ]
        charges = {
            uuid: clickatell.parse_http_charge(response.text)
            for uuid, response in self._ask_many(gateway, questions, end)
        }
        reports = [
            clickatell_callback.make_http_report(
                ref,
                uuid,
                status,
                self._get_say(gateway),
                cost=charges.get(uuid),
                cost_unit=None if charges.get(uuid) is None else "credits",
                event=("lookup", charges.get(uuid)),
            )
            for uuid, (ref, status) in found.items()
        ]
        return [report for report in reports if report.state != "unknown"]

    # -- Helpers --------------------------------------------------------------

    def _ask(self, gateway, settings, path, **values):
        """Ask Clickatell one thing, for a person who waits.

        :return: GatewayResponse
        :raise UserError: there is no answer
        """
        request = clickatell.build_question(settings, path, **values)
        try:
            return self._call(
                gateway,
                request.url,
                method=request.method,
                headers=request.headers,
                data=request.data,
            )
        except GatewayError as error:
            raise UserError(
                self.env._("Clickatell could not be asked. %s", error.detail)
            ) from None

    def _ask_many(self, gateway, questions, end):
        """Ask several things at once; what has no answer is left out.

        :param list questions: (key, settings, path, fields of a form)
        :param float end: monotonic time
        :return: list of (key, GatewayResponse)
        :raise GatewayAccountError: Clickatell refuses the account
        :raise GatewayError: nothing has an answer
        """
        transport, keys, answers = self._get_transport(gateway), {}, []
        error = None
        try:
            for key, settings, path, values in questions:
                request = clickatell.build_question(settings, path, **values)
                # Kept, so that no other request gets its place in memory.
                keys[id(request)] = key, settings, request
                transport.submit(request)
            while transport.pending and time.monotonic() < end:
                for completion in transport.poll(0.25):
                    if completion.error:
                        error = completion.error
                        continue
                    key, settings, _request = keys[id(completion.request)]
                    response = completion.response
                    self._raise_if_refused(gateway, settings, response)
                    if response.status == 429 or response.status >= 500:
                        error = GatewayOutcomeUnknown(f"HTTP {response.status}")
                        continue
                    answers.append((key, response))
        finally:
            transport.close()
        if error and not answers:
            raise error
        return answers

    def _raise_if_refused(self, gateway, settings, response):
        """Raise when an answer to a question is about the account."""
        item = clickatell.read_refusal(settings.api, response)
        if item.text or item.code is not None:
            verdict = clickatell.classify(settings.api, item, response.status)
        else:
            verdict = clickatell.classify_status(None, response.status)
        refused = verdict and verdict.failure_type == "account"
        # What is asked for may be unknown there: that is no wrong address.
        if refused and verdict.hint != "address":
            raise GatewayAccountError(
                clickatell.describe(item, verdict.hint, self._get_say(gateway)),
                provider_code=str(item.code or response.status),
            )

    def _explain(self, gateway, settings, response):
        """Return words for an answer that is not what was asked for."""
        item = clickatell.read_refusal(settings.api, response)
        if not item.text and item.code is None:
            verdict = clickatell.classify_status(None, response.status)
            if verdict and verdict.hint:
                return self._get_say(gateway)(verdict.hint)
            if response.status in const.NOT_THERE or 300 <= response.status < 400:
                return self._get_say(gateway)("address")
            return self.env._(
                "Clickatell gave no answer that can be read (HTTP %s). Try again "
                "later.",
                response.status,
            )
        verdict = clickatell.classify(settings.api, item, response.status)
        return clickatell.describe(item, verdict.hint, self._get_say(gateway))

    def _get_settings_for_user(self, gateway):
        """Return the settings, or tell the person which one is missing.

        :raise UserError: a setting is missing
        """
        try:
            return self._get_settings(gateway)
        except GatewayConfigError as error:
            raise UserError(error.detail) from None

    def _get_settings(self, gateway):
        """Return what requests are built of.

        :return: clickatell.Settings
        :raise GatewayConfigError: a setting is missing
        """
        gateway = gateway.sudo()
        api = gateway.clickatell_api or "one"
        if name := gateway._clickatell_missing():
            raise GatewayConfigError(
                self.env._(
                    "The gateway has no “%s”: enter the one that Clickatell gave you.",
                    gateway._fields[name].get_description(self.env)["string"],
                ),
                field_name=name,
            )
        base = (gateway.clickatell_url or const.BASE_URLS[api]).strip().rstrip("/")
        return clickatell.Settings(
            api=api,
            base=base,
            key=(gateway.clickatell_api_key or "").strip(),
            user=(gateway.clickatell_user or "").strip(),
            password=gateway.clickatell_password or "",
            api_id=(gateway.clickatell_api_id or "").strip(),
            two_way=gateway.clickatell_two_way,
            sender=gateway.sender or "",
            callback=gateway.clickatell_callback_level or "7",
            max_parts=gateway.max_segments,
            max_request_parts=clickatell.max_request_parts(gateway.max_rate),
            group=gateway.clickatell_group,
        )

    # -- Words ----------------------------------------------------------------

    def _get_say(self, gateway):
        """Return a function that puts a hint of ``const.py`` into words for people.

        For two hints it returns a function: "theirs" quotes Clickatell, "redact" takes
        the gateway's secrets out.
        """
        words = {}

        def redact_words(text):
            secrets = self._get_redacted_values(gateway)
            return redact(text, secrets, limit=len(text))

        def say(hint):
            if hint == "theirs":
                return self._quote
            if hint == "redact":
                return redact_words
            # A good answer needs none of them.
            if not words:
                words.update(self._get_words())
            return words[hint]

        return say

    def _quote(self, text, code):
        """Return Clickatell's own words, marked as such."""
        if text and code is not None:
            return self.env._(
                "Clickatell says: “%(text)s” (code %(code)s).", text=text, code=code
            )
        if text:
            return self.env._("Clickatell says: “%s”.", text)
        return self.env._("Clickatell's code is %s.", code)

    def _get_words(self):
        return {
            "key": self.env._(
                "Clickatell does not accept the API key. Copy it again from the page "
                "of the integration in Clickatell's portal, every character of it. If "
                "it is the right one, its integration may be of another kind: choose "
                "that under “API”."
            ),
            "mixed_up": self.env._(
                "The credentials and the choice of “API” probably do not belong "
                "together: an API key of Clickatell's portal works with One API or "
                "Platform SMS, a user name with an API ID with Central API only. "
                "Choose the other API, or enter the credentials that belong to it."
            ),
            "login": self.env._(
                "Clickatell does not accept user name, password and API ID. Enter "
                "those of Developers' Central again."
            ),
            "inactive": self.env._(
                "The account at Clickatell is not active. Log in there to see why, or "
                "ask Clickatell."
            ),
            "integration": self.env._(
                "The integration is not active, or does not allow this. Look at it in "
                "Clickatell's portal."
            ),
            "channel": self.env._(
                "The integration at Clickatell does not send SMS. Switch the SMS "
                "channel on in Clickatell's portal, or use the key of another "
                "integration."
            ),
            "address_of_ours": self.env._(
                "Clickatell takes requests from listed addresses only, and that of "
                "this server is not among them. Add it in Clickatell's settings, or "
                "switch the list off."
            ),
            "address": self.env._(
                "There is no such service at Clickatell's address: the choice of “API” "
                "does not fit, or “Another address” is wrong."
            ),
            "credit": self.env._(
                "The account at Clickatell has no credit left: top it up."
            ),
            "limit": self.env._(
                "The account at Clickatell has used up its limit of texts for now."
            ),
            "sandbox": self.env._(
                "The integration is a sandbox: it texts only the numbers that are "
                "listed there. Add the number in Clickatell's portal, or go live."
            ),
            "demo": self.env._("The trial at Clickatell has ended: buy credit there."),
            "sender": self.env._(
                "Clickatell does not accept the sender: it must be the two-way number "
                "that belongs to this integration. Enter that as “Sender”, or switch "
                "“Two-way” off."
            ),
            "sender_http": self.env._(
                "Clickatell does not accept the sender: it must be registered and "
                "approved there first. Enter such a one as “Sender”, or leave it empty."
            ),
            "two_way_sender": self.env._(
                "With “Two-way”, answers come to the number that Clickatell rents you: "
                "enter it as “Sender”, or switch “Two-way” off."
            ),
            "no_two_way": self.env._(
                "The recipient's network takes no two-way texts. Use a gateway without "
                "“Two-way” for such numbers."
            ),
            "usa": self.env._(
                "Clickatell texts numbers in the USA through two-way integrations "
                "only. Use one, and switch “Two-way” on."
            ),
            "usa_stop": self.env._(
                "Clickatell texts numbers in the USA only if the STOP and SUBSCRIBE "
                "commands of the integration are on. Switch them on in its portal."
            ),
            "country": self.env._("Clickatell has no route to this number."),
            "blocked": self.env._(
                "Clickatell has blocked this number, as after a STOP."
            ),
            "delisted": self.env._("Clickatell has taken this number off its list."),
            "throttled": self.env._("Clickatell asks to slow down."),
            "unreadable": self.env._(
                "Clickatell's answer does not say what became of the text."
            ),
            "no_reason": self.env._("Clickatell refused the text without saying why."),
            "status_content": self.env._(
                "Clickatell could not send it, probably for its words."
            ),
            "status_canceled": self.env._("It was cancelled at Clickatell."),
            "status_failed": self.env._("The network did not deliver it."),
            "status_routing": self.env._(
                "Clickatell found no route, or none at that price."
            ),
            "status_expired": self.env._(
                "Its time was over before it could be delivered."
            ),
        }
