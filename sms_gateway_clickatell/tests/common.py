# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Gateways of the three kinds, and what Clickatell answers."""

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, UUIDS

KEY = "KEY-OF-THE-TEST-1234567890=="
PASSWORD = "PASSWORD OF THE TEST/+"
CALLBACK_USER = "callback"
CALLBACK_PASSWORD = "CALLBACK-PASSWORD-1"
ONE_URL = "https://platform.clickatell.com/v1/message"
PLATFORM_URL = "https://platform.clickatell.com/messages"
HTTP_URL = "https://api.clickatell.com/http/sendmsg"
# Numbers as Clickatell takes them.
TO = tuple(number[1:] for number in NUMBERS)

ONE = {"code": "clickatell", "clickatell_api": "one", "clickatell_api_key": KEY}
PLATFORM = {**ONE, "clickatell_api": "platform"}
HTTP = {
    "code": "clickatell",
    "clickatell_api": "http",
    "clickatell_user": "ada",
    "clickatell_password": PASSWORD,
    "clickatell_api_id": "12345",
}
CALLBACK_LOGIN = {
    "clickatell_callback_user": CALLBACK_USER,
    "clickatell_callback_password": CALLBACK_PASSWORD,
}


def one_item(n=0, code=None, text="…", **values):
    """Return what One API says of the n-th message."""
    if code is None:
        return {
            "apiMessageId": f"id{n}",
            "accepted": True,
            "to": TO[n],
            "error": None,
            **values,
        }
    return {
        "accepted": False,
        "to": TO[n],
        "error": {"code": code, "description": text},
        **values,
    }


def platform_item(n=0, text=None, code=None, **values):
    """Return what the platform says of the n-th message."""
    return {
        "apiMessageId": None if text else f"id{n}",
        "accepted": not text,
        "to": TO[n],
        "errorCode": code,
        "error": text,
        "errorDescription": None,
        **values,
    }


def messages(*items, error=None):
    return {"messages": list(items), "error": error}


def one_send(n=0, body=None, **values):
    """Return the n-th message as One API takes it."""
    return {
        "channel": "sms",
        "to": TO[n],
        "content": body or f"Text {n + 1}",
        "clientMessageId": UUIDS[n],
        **values,
    }
