# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the test gateway speaks: pure functions, no database.

::

    POST <address>                        Authorization: Bearer <key>
    {"messages": [{"id", "to", "text", "from"}]}
    200 {"results": [{"id", "status", "ref", "cost", "currency", "code", "error",
                      "wait"}]}
    200 {"error": "too large"}

Callbacks carry X-Signature, the hex HMAC-SHA256 of the body (by GET: of the query)::

    {"events": [{"id", "type": "report", "ref" or "message", "status", "code", "error",
                 "cost", "currency"},
                {"id", "type": "inbound", "from", "to", "text", "ref",
                 "part": [reference, number, total]}]}

The same JSON may come as field ``payload`` of a form. By GET one event comes as fields
of the query, its text in the encoding that ``charset`` names.
"""

import codecs
import json
from urllib.parse import parse_qsl, unquote_to_bytes

from odoo.addons.sms_gateway_hub.exceptions import (
    GatewayAccountError,
    GatewayOutcomeUnknown,
    GatewayRequestTooLarge,
    GatewayThrottled,
)
from odoo.addons.sms_gateway_hub.tools import webhook
from odoo.addons.sms_gateway_hub.tools.gateway_data import (
    DeliveryReport,
    InboundMessage,
    PollStep,
    SendRequest,
    SendResult,
    TextPart,
)

from ..const import REPORT_STATES, SEND_STATES

# Status of one message that was not taken, for a reason that is not its own.
RETRY_ERRORS = {"slow": GatewayThrottled, "account": GatewayAccountError}

_FORM = "application/x-www-form-urlencoded"


def build_request(url, key, messages):
    """Build one request for some messages.

    :param str url: address of the gateway
    :param str key: bearer key
    :param list messages: OutgoingMessage
    :return: SendRequest
    """
    return SendRequest(
        messages=tuple(messages),
        url=url or "",
        headers={"Authorization": f"Bearer {key}"},
        json={
            "messages": [
                {
                    "id": message.uuid,
                    "to": message.number,
                    "text": message.body,
                    "from": message.sender,
                }
                for message in messages
            ]
        },
    )


def parse_response(messages, response):
    """Read a 2xx answer.

    :param messages: OutgoingMessage, those of the request
    :param GatewayResponse response: the answer
    :return: list of SendResult, only for messages of the request
    :raise GatewayThrottled: the answer says "slow down"
    :raise GatewayRequestTooLarge: it says that the request is too large
    :raise GatewayOutcomeUnknown: it cannot be read
    """
    try:
        answer = webhook.parse_json(response.body)
        if answer.get("error") == "too large":
            raise GatewayRequestTooLarge("The request is too large")
        results = answer["results"]
        if not isinstance(results, list):
            raise TypeError
        named = {result["id"]: result for result in results}
    except (KeyError, TypeError, ValueError):
        raise GatewayOutcomeUnknown("The answer is not readable") from None
    if any(result.get("status") == "throttled" for result in named.values()):
        raise GatewayThrottled("The gateway asks to slow down", retry_after_s=30)
    return [
        _parse_result(named[message.uuid])
        for message in messages
        if message.uuid in named
    ]


def _parse_result(result):
    state, failure_type = SEND_STATES.get(result.get("status"), ("unconfirmed", None))
    if state == "sent" and not result.get("ref"):
        # Without an id no report could ever be matched.
        state, failure_type = "unconfirmed", None
    error = None
    if error_class := RETRY_ERRORS.get(result.get("status")):
        error = error_class(result.get("error") or "", retry_after_s=result.get("wait"))
    return SendResult(
        uuid=result["id"],
        state=state,
        error=error,
        external_ref=result.get("ref"),
        failure_type=failure_type,
        provider_code=result.get("code"),
        detail=result.get("error"),
        cost=result.get("cost"),
        cost_unit=result.get("currency") or "credits",
        raw=json.dumps(result),
    )


def parse_callback(data):
    """Read an authentic callback.

    :param WebhookData data: the callback
    :return: list of DeliveryReport and InboundMessage
    :raise ValueError: it cannot be read
    """
    if data.method == "GET":
        return [_parse_event(_read_query(data.raw_query))]
    body = data.raw_body
    if data.content_type.split(";")[0].strip().lower() == _FORM:
        fields = dict(parse_qsl(body.decode(), strict_parsing=True))
        body = fields["payload"].encode()
    events = webhook.parse_json(body)["events"]
    return [_parse_event(event) for event in events]


def _read_query(raw_query):
    fields = {}
    for part in raw_query.split(b"&"):
        name, _sep, value = part.partition(b"=")
        # The first of a repeated field counts.
        fields.setdefault(
            name.decode("ascii", "replace"), unquote_to_bytes(value.replace(b"+", b" "))
        )
    raw_text = fields.pop("text", b"")
    event = {name: value.decode("utf-8", "replace") for name, value in fields.items()}
    charset = event.get("charset") or "utf-8"
    try:
        event["text"] = codecs.lookup(charset).decode(raw_text)[0]
    except (LookupError, TypeError, ValueError):
        event["text"] = raw_text.decode("latin-1")
        event["readable"] = False
    if not isinstance(event["text"], str):
        raise ValueError("not a charset of texts")
    return event


def _parse_event(event):
    key = webhook.event_key(event["type"], event["id"])
    if event["type"] == "inbound":
        return InboundMessage(
            event_key=key,
            number=event["from"],
            recipient=event.get("to") or "",
            body=event["text"],
            charset=event.get("charset"),
            readable=event.get("readable", True),
            external_ref=event.get("ref"),
            part=TextPart(*event["part"]) if event.get("part") else None,
        )
    if event["type"] != "report":
        raise ValueError("neither a report nor an inbound text")
    state, failure_type = REPORT_STATES.get(event["status"], ("unknown", None))
    cost = event.get("cost")
    return DeliveryReport(
        event_key=key,
        state=state,
        external_ref=event.get("ref"),
        uuid=event.get("message"),
        failure_type=failure_type,
        provider_code=event.get("code"),
        detail=event.get("error"),
        cost=None if cost is None else float(cost),
        cost_unit=event.get("currency") or "credits",
    )


def parse_call(call):
    """Read what a phone of the tests wants.

    :param dict call: ``do`` is the kind of a PollStep; ``refs``, ``final``, ``reports``
        ({ref: word}), ``texts`` ([id, number, text]), ``then_offer`` and ``seen`` go
        with it
    :return: PollStep
    :raise ValueError: it cannot be read
    """
    try:
        return _read_call(call)
    except (AttributeError, OverflowError, TypeError) as error:
        raise ValueError("a value of another type") from error


def _read_call(call):
    items = [
        DeliveryReport(
            event_key=webhook.event_key("report", ref, word),
            external_ref=ref,
            state=REPORT_STATES.get(word, ("unknown", None))[0],
            failure_type=REPORT_STATES.get(word, ("unknown", None))[1],
            provider_code=word,
        )
        for ref, word in (call.get("reports") or {}).items()
    ]
    items += [
        InboundMessage(event_key=event, number=number, body=text)
        for event, number, text in call.get("texts") or ()
    ]
    return PollStep(
        call.get("do") or "seen",
        refs=tuple(call.get("refs") or ()),
        items=tuple(items),
        final=bool(call.get("final")),
        then_offer=int(call.get("then_offer") or 0),
        seen=call.get("seen") or {},
    )
