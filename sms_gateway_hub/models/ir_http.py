# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from werkzeug.exceptions import HTTPException

from odoo import models
from odoo.http import request

from ..controllers.main import SmsGatewayWebhook
from ..controllers.poll import SmsGatewayPoll
from ..controllers.reply import SmsReplyPage


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _dispatch(cls, endpoint):
        """Drop the parameters that no function can take.

        They are "self", and those without a name, of a form of several parts.
        """
        controller = getattr(getattr(endpoint, "func", None), "__self__", None)
        if isinstance(controller, SmsGatewayWebhook | SmsGatewayPoll | SmsReplyPage):
            request.params = {
                name: value
                for name, value in request.params.items()
                if isinstance(name, str) and name != "self"
            }
        return super()._dispatch(endpoint)

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """Keep the raw body of callbacks: parsing a form would use it up."""
        result = super()._pre_dispatch(rule, args)
        endpoint = rule.endpoint.func
        if isinstance(
            getattr(endpoint, "__self__", None), SmsGatewayWebhook | SmsGatewayPoll
        ):
            try:
                request.httprequest.get_data(cache=True)
                # Dispatching would parse a form next, and fail in HTML.
                _parsed = request.httprequest.form
            except HTTPException as error:
                # Too large, or not what it announced. Werkzeug would answer in HTML.
                error.response = endpoint.__self__._answer(error.code)
                raise
            # Odoo may have asked for the language before the body came, which a peer
            # can hold back: decisions are taken on what is true after it.
            request.env.cr.rollback()
        elif isinstance(getattr(endpoint, "__self__", None), SmsReplyPage):
            try:
                _parsed = request.httprequest.form
            except HTTPException as error:
                error.response = endpoint.__self__._refuse("too_large")
                raise
        return result
