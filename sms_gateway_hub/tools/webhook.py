# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Checks for callbacks: constant time, on bytes, and an empty secret refuses."""

import base64
import binascii
import hashlib
import hmac
import json
from json.encoder import encode_basestring_ascii as _quote

from ..exceptions import WebhookRejected

_MAX_NESTING = 32


def _to_bytes(value):
    # JSON can bring half a surrogate pair: a wrong secret, not an error.
    if isinstance(value, bytes):
        return value
    return (value or "").encode("utf-8", "surrogatepass")


def token_digest(token):
    """Return the look-up key of a webhook token, so that no query compares secrets.

    :param str token: the token of the path
    :return: 64 hex digits
    """
    return hashlib.sha256(_to_bytes(token)).hexdigest()


def secrets_equal(given, expected):
    """Compare a secret in constant time; an empty expected secret never matches."""
    return bool(expected) and hmac.compare_digest(_to_bytes(given), _to_bytes(expected))


def check_secret(given, *expected):
    """Verify a shared secret against the accepted ones (rotation takes several).

    :raise WebhookRejected: when no secret is configured, or none matches
    """
    matches = [secrets_equal(given, secret) for secret in expected]
    if not any(matches):
        raise WebhookRejected(403)


def check_basic_auth(headers, user, password):
    """Verify HTTP basic authentication (RFC 7617).

    :param dict headers: names in lower case
    :raise WebhookRejected: when not configured, missing, malformed or wrong
    """
    if not user or not password:
        raise WebhookRejected(403)
    scheme, _sep, value = (headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        raise WebhookRejected(401)
    try:
        given = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRejected(401) from None
    if not secrets_equal(given, f"{user}:{password}"):
        raise WebhookRejected(401)


def check_hmac_sha256(raw_body, signature, *secrets):
    """Verify a hex HMAC-SHA256 of the raw body.

    :param bytes raw_body: exactly what came over the wire
    :param str signature: hex digits, as the peer sent them
    :raise WebhookRejected: when no secret is configured, or none matches
    """
    expected = [
        hmac.new(_to_bytes(secret), raw_body, hashlib.sha256).hexdigest()
        for secret in secrets
        if secret
    ]
    check_secret(signature, *expected)


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def parse_json(raw):
    """Read one JSON object, strictly.

    :param bytes raw: UTF-8
    :return: dict
    :raise ValueError: not UTF-8, not JSON, not an object, NaN, or nested too deeply
    """
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    _check_depth(value)
    return value


def _check_depth(value):
    level = [value]
    for _depth in range(_MAX_NESTING):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def event_key(*parts):
    """Build the key of an event of the fields that make it this event.

    :param parts: str, int or None; their order and number matter
    :return: 64 hex digits
    """
    # As ``json.dumps`` writes a list; its encoder costs more than the hash does.
    texts = ["null" if part is None else _quote(str(part)) for part in parts]
    return hashlib.sha256(f"[{', '.join(texts)}]".encode("ascii")).hexdigest()
