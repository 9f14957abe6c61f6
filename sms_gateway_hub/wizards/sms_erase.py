# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL


class SmsErase(models.TransientModel):
    """Erases what is kept of a person, by number.

    What remains is a keyed hash of the number, so that nobody texts it again by
    mistake, and rows without number, text and person, so that counts and costs stay
    true.
    """

    _name = "sms.erase"
    _description = "Erase a person's texts"

    number = fields.Char(
        required=True, help="In international form, or as it is written here."
    )
    reason = fields.Char(
        required=True, help="Why it is erased, e.g. the date and kind of the request."
    )
    number_e164 = fields.Char("Number found", compute="_compute_found")
    message_count = fields.Integer("Texts", compute="_compute_found")
    consent_count = fields.Integer("Consent rows", compute="_compute_found")
    contact_names = fields.Char("Contacts", compute="_compute_found")

    @api.depends("number")
    def _compute_found(self):
        for wizard in self:
            number = wizard._get_number()
            wizard.number_e164 = number
            domain = [("number", "=", number or "-")]
            wizard.message_count = (
                self.env["sms.gateway.message"].sudo().search_count(domain)
            )
            wizard.consent_count = self.env["sms.consent"].sudo().search_count(domain)
            mobiles = (
                self.env["res.partner.mobile"]
                .sudo()
                .search([("number_e164", "=", number or "-")])
            )
            wizard.contact_names = ", ".join(mobiles.partner_id.mapped("display_name"))

    def _get_number(self):
        number = (self.number or "").strip()
        return self.env.user._phone_format(number=number) if number else False

    def action_erase(self):
        """Erase, for good.

        :raise AccessError: only administrators of SMS gateways may
        :raise UserError: the number cannot be read
        """
        self.ensure_one()
        if not self.env.user.has_group("sms_gateway_hub.group_administrator"):
            raise AccessError(
                self.env._("Only administrators of SMS gateways may erase a person.")
            )
        number = self._get_number()
        if not number:
            raise UserError(
                self.env._(
                    "“%s” is not a number that could be read. Write it in "
                    "international form, like +15550100200.",
                    self.number,
                )
            )
        rows = self._erase(number)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "Erased: %s rows. The number is kept as a hash alone and is not "
                    "texted again.",
                    rows,
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    @api.model
    def _erase(self, number):
        """Erase a number everywhere.

        :param str number: E.164
        :return: number of rows that were changed or removed
        """
        messages = self.env["sms.gateway.message"].sudo()
        consents = self.env["sms.consent"].sudo()
        # A refusal holds for the person: their other numbers keep it.
        consents.search(
            [("number", "=", number), ("act", "=", "opted_out")]
        ).partner_id._sms_gateway_keep_refusals(but=[number])
        self.env.flush_all()
        # Nothing of it may leave any more.
        messages.search([("number", "=", number), ("state", "=", "queued")])._set_state(
            "canceled",
            failure_type="canceled",
            failure_reason=self.env._("The person's data was erased."),
        )
        self.env.flush_all()
        ids = messages.search([("number", "=", number)]).ids
        if messages.search_count([("id", "in", ids), ("state", "=", "sending")]):
            raise UserError(
                self.env._("A text to this number is leaving right now: try again.")
            )
        # Of texts that a document shows the contact has a copy.
        copies = self.env["mail.message"].union(
            *(
                message._find_in_chatter(message.partner_id)
                for message in messages.browse(ids)
                if message.partner_id
            )
        )
        rows = self.env["sms.conversation"]._erase(number)
        erased = self.env._("[erased]")
        for statement in (
            SQL(
                """
                UPDATE mail_message SET body = %s
                 WHERE id IN (SELECT mail_message_id FROM sms_gateway_message
                               WHERE id = ANY(%s))
                    OR id = ANY(%s)
                """,
                erased,
                ids,
                copies.ids,
            ),
            SQL(
                "UPDATE mail_notification SET sms_number = NULL WHERE sms_number = %s",
                number,
            ),
            SQL("DELETE FROM sms_sms WHERE number = %s", number),
            SQL("DELETE FROM sms_broadcast_recipient WHERE number = %s", number),
            # What the check of a broadcast shows as examples.
            SQL(
                """
                UPDATE sms_broadcast
                   SET check_result = check_result - 'samples' - 'worst'
                 WHERE check_result::text LIKE %s
                """,
                f"%{number}%",
            ),
            # Where somebody or the hub wrote it down.
            SQL(
                "DELETE FROM mail_activity WHERE summary LIKE %s OR note LIKE %s",
                f"%{number}%",
                f"%{number}%",
            ),
            SQL(
                "UPDATE mail_message SET body = replace(body, %s, %s) "
                "WHERE body LIKE %s",
                number,
                erased,
                f"%{number}%",
            ),
            SQL(
                """
                UPDATE sms_gateway_attempt SET excerpt = NULL, detail = NULL
                 WHERE message_id = ANY(%s)
                """,
                ids,
            ),
            SQL(
                """
                UPDATE sms_gateway_event
                   SET raw = NULL, number = NULL, body = NULL, detail = NULL,
                       message_uuid = NULL,
                       -- What was not taken in yet, e.g. parts of a text, never is.
                       state = CASE WHEN kind = 'inbound' AND state != 'applied'
                                    THEN 'ignored' ELSE state END
                 WHERE number = %s OR message_id = ANY(%s)
                """,
                number,
                ids,
            ),
            # Before the texts, which its rows point to.
            SQL(
                "UPDATE sms_consent SET question_id = NULL WHERE question_id IN "
                "(SELECT id FROM sms_consent WHERE number = %s)",
                number,
            ),
            SQL("DELETE FROM sms_consent WHERE number = %s", number),
            SQL(
                """
                UPDATE sms_gateway_message
                   SET number = NULL, body = %s, partner_id = NULL, res_model = NULL,
                       res_id = NULL, failure_reason = NULL, external_ref = NULL,
                       sms_uuid = NULL, contact_reason = NULL
                 WHERE id = ANY(%s)
                """,
                erased,
                ids,
            ),
        ):
            self.env.cr.execute(statement)
            rows += self.env.cr.rowcount
        if "mailing.trace" in self.env:
            self.env.cr.execute(
                "UPDATE mailing_trace SET sms_number = NULL WHERE sms_number = %s",
                [number],
            )
        self.env.invalidate_all()
        mobiles = (
            self.env["res.partner.mobile"].sudo().search([("number_e164", "=", number)])
        )
        partners = (
            self.env["res.partner"]
            .sudo()
            .with_context(active_test=False)
            .search([("phone_sanitized", "=", number)])
        )
        rows += len(mobiles)
        mobiles.unlink()
        for partner in partners:
            if partner._phone_format(fname="phone") == number:
                partner.phone = False
                rows += 1
        blacklist = (
            self.env["phone.blacklist"]
            .sudo()
            .with_context(active_test=False, sms_gateway_recorded=True)
        )
        blacklist.search([("number", "=", number)]).unlink()
        suppression = self.env["sms.suppression"].sudo()
        digest = suppression._get_digester()(number)
        values = {"user_id": self.env.uid, "note": self.reason, "rows": rows}
        known = suppression.search([("digest", "=", digest)])
        if known:
            known.write({"rows": known.rows + rows})
        else:
            suppression.create({"digest": digest, **values})
        consents.invalidate_model()
        return rows
