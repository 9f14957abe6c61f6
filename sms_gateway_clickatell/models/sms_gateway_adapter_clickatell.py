# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from odoo.addons.sms_gateway_hub.exceptions import GatewayConfigError

from .. import const
from ..tools import clickatell


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
                    self._say("two_way_sender"), field_name="sender"
                )
        return clickatell.build_requests(settings, messages)

    def _parse_send_response(self, gateway, request, response):
        settings = self._get_settings(gateway)
        return clickatell.parse_answer(settings, request.messages, response, self._say)

    def _get_settings(self, gateway):
        """Return what requests are built of.

        :return: clickatell.Settings
        :raise GatewayConfigError: a setting is missing
        """
        gateway = gateway.sudo()
        api = gateway.clickatell_api or "one"
        needed = (
            ("clickatell_user", "clickatell_password", "clickatell_api_id")
            if api == "http"
            else ("clickatell_api_key",)
        )
        for name in needed:
            if not (gateway[name] or "").strip():
                label = gateway._fields[name].get_description(self.env)["string"]
                raise GatewayConfigError(
                    self.env._(
                        "The gateway has no “%s”: enter the one that Clickatell gave "
                        "you.",
                        label,
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

    def _say(self, hint):
        """Return what to tell people about a hint of ``const.py``."""
        if hint == "theirs":
            return self._quote
        return self._get_words()[hint]

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
        _ = self.env._
        return {
            "key": _(
                "Clickatell does not accept the API key. Copy it again from the page "
                "of the integration in Clickatell's portal, every character of it."
            ),
            "mixed_up": _(
                "The credentials and the choice of “API” probably do not belong "
                "together: an API key of Clickatell's portal works with One API or "
                "Platform SMS, a user name with an API ID with Central API only. "
                "Choose the other API, or enter the credentials that belong to it."
            ),
            "login": _(
                "Clickatell does not accept user name, password and API ID. Enter "
                "those of Developers' Central again."
            ),
            "inactive": _(
                "The account at Clickatell is not active. Log in there to see why, or "
                "ask Clickatell."
            ),
            "integration": _(
                "The integration is not active, or does not allow this. Look at it in "
                "Clickatell's portal."
            ),
            "channel": _(
                "The integration at Clickatell does not send SMS. Switch the SMS "
                "channel on in Clickatell's portal, or use the key of another "
                "integration."
            ),
            "address_of_ours": _(
                "Clickatell takes requests from listed addresses only, and that of "
                "this server is not among them. Add it in Clickatell's settings, or "
                "switch the list off."
            ),
            "address": _(
                "There is no such service at Clickatell's address: the choice of “API” "
                "does not fit, or “Another address” is wrong."
            ),
            "credit": _("The account at Clickatell has no credit left: top it up."),
            "limit": _(
                "The account at Clickatell has used up its limit of texts for now."
            ),
            "sandbox": _(
                "The integration is a sandbox: it texts only the numbers that are "
                "listed there. Add the number in Clickatell's portal, or go live."
            ),
            "demo": _("The trial at Clickatell has ended: buy credit there."),
            "sender": _(
                "Clickatell does not accept the sender: it must be the two-way number "
                "that belongs to this integration. Enter that as “Sender”, or switch "
                "“Two-way” off."
            ),
            "sender_http": _(
                "Clickatell does not accept the sender: it must be registered and "
                "approved there first. Enter such a one as “Sender”, or leave it empty."
            ),
            "two_way_sender": _(
                "With “Two-way”, answers come to the number that Clickatell rents you: "
                "enter it as “Sender”, or switch “Two-way” off."
            ),
            "no_two_way": _(
                "The recipient's network takes no two-way texts. Use a gateway without "
                "“Two-way” for such numbers."
            ),
            "usa": _(
                "Clickatell texts numbers in the USA through two-way integrations "
                "only. Use one, and switch “Two-way” on."
            ),
            "usa_stop": _(
                "Clickatell texts numbers in the USA only if the STOP and SUBSCRIBE "
                "commands of the integration are on. Switch them on in its portal."
            ),
            "country": _("Clickatell has no route to this number."),
            "blocked": _("Clickatell has blocked this number, as after a STOP."),
            "delisted": _("Clickatell has taken this number off its list."),
            "throttled": _("Clickatell asks to slow down."),
            "unreadable": _(
                "Clickatell's answer does not say what became of the text."
            ),
            "no_reason": _("Clickatell refused the text without saying why."),
            "status_content": _(
                "Clickatell could not send it, probably for its words."
            ),
            "status_canceled": _("It was cancelled at Clickatell."),
            "status_failed": _("The network did not deliver it."),
            "status_routing": _("Clickatell found no route, or none at that price."),
            "status_expired": _("Its time was over before it could be delivered."),
        }
