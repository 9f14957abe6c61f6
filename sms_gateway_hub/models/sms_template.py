# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsTemplate(models.Model):
    _inherit = "sms.template"

    def _render_lang(self, res_ids, engine="inline_template"):
        """Take the contact's language, where it is one that is in use.

        Core takes it as it is: one that was archived, or that the template's own
        expression makes up, would stop the whole text with an error.
        """
        langs = super()._render_lang(res_ids, engine=engine)
        installed = {code for code, _name in self.env["res.lang"].get_installed()}
        return {
            res_id: lang if lang in installed else False
            for res_id, lang in langs.items()
        }
