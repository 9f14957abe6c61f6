# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import io

import qrcode

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .. import const
from ..tools import smssync

# Pixels of one dot of a QR code.
_QR_DOT = 5
_TITLE_MIN = 4


class SmsGatewayDevice(models.Model):
    _inherit = "sms.gateway.device"

    results_api = fields.Selection(
        [
            ("auto", "As the version says"),
            ("on", "On"),
            ("off", "Off"),
        ],
        "Message Results API",
        required=True,
        default="auto",
        help="Whether “Enable Message Results API” is switched on in the app. It must "
        "be on from version 2.7.2 on: the phone then asks before it sends, and a text "
        "is never sent twice.\n"
        "Off: the phone sends whatever it fetched and tells nothing. What was fetched "
        "counts as handed over for good. Ends by itself as soon as the phone asks "
        "before it sends.\n"
        "As the version says: on, but for 2.6.1, which does not have it.",
    )
    instant_replies = fields.Boolean(
        "Answer within the same call",
        help="For app versions 2.x with “Get Reply from Server” switched on: texts "
        "to whoever just texted ride on the answer to that text. They count as handed "
        "over, and nothing is reported about them. Versions 3.x never get any: they "
        "would send them again and again.",
    )
    key_names = fields.Char(
        "Renamed keys",
        help="Empty, if the keys of the Sync URL were left as they are on the phone. "
        "Else their names there, e.g. “from=sender, message=text”. The keys are: "
        "secret, from, message, sent_timestamp, sent_to, message_id, device_id.",
    )
    unique_id = fields.Char(
        "Unique ID",
        readonly=True,
        copy=False,
        help="The “Unique ID” in the settings of the app, as it came with the last "
        "text.",
    )
    alert = fields.Char("Last alert", readonly=True, copy=False)
    alert_at = fields.Datetime(readonly=True, copy=False)
    setup_qr = fields.Binary(
        "QR code",
        compute="_compute_setup_qr",
        groups="base.group_system",
        help="Fills in the Sync URL and the secret in versions 3.x: “Scan QR code”.",
    )

    @api.depends("version", "results_api", "gateway_code")
    def _compute_warning(self):
        return super()._compute_warning()

    @api.depends("name", "token", "secret", "poll_url")
    def _compute_setup_qr(self):
        for device in self:
            if not device.poll_url or not device.secret:
                device.setup_qr = False
                continue
            title = (device.name or "").strip()
            text = smssync.setup_code(
                title if len(title) >= _TITLE_MIN else f"Odoo {title}",
                device.poll_url,
                device.secret,
            )
            # Made here and not by an address: what is in an address gets logged.
            image = io.BytesIO()
            qrcode.make(text, box_size=_QR_DOT).save(image, format="PNG")
            device.setup_qr = base64.b64encode(image.getvalue())

    @api.constrains("key_names")
    def _check_key_names(self):
        for device in self:
            try:
                device._get_key_names()
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "“Renamed keys” cannot be read at “%(piece)s”. Write them as "
                        "“from=sender, message=text”, each key once.",
                        piece=error,
                    )
                ) from None

    def _get_warnings(self):
        warnings = super()._get_warnings()
        if self.gateway_code != "smssync":
            return warnings
        version = smssync.read_version(self.version)
        if not smssync.has_results_api(version):
            warnings[self.env._("Old version")] = self.env._(
                "Version %s of the app can neither confirm texts nor report on them: "
                "what it fetched stays unconfirmed. Install 3.1.1.",
                self.version,
            )
        elif version in const.FRAGILE_VERSIONS:
            warnings[self.env._("Old version")] = self.env._(
                "Version %s of the app reports without its secret. Install 3.1.1.",
                self.version,
            )
        elif self.results_api == "off":
            warnings[self.env._("Cannot confirm")] = self.env._(
                "The phone cannot confirm texts: what it fetched stays unconfirmed. "
                "Set “Message Results API” to “As the version says” here, then switch "
                "“Enable Message Results API” on in the app."
            )
        return warnings

    def _get_key_names(self):
        """Return the app's own names of fields -> those on this phone.

        :raise ValueError: with the piece of the setting that cannot be read
        """
        self.ensure_one()
        return smssync.read_key_names(self.key_names)
