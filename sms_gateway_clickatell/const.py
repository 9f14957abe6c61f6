# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Clickatell's words in the hub's vocabulary: one table per API, never shared.

Three APIs have grown one after the other. Their numbers look alike and mean different
things: status 4 is "handed to the supplier" in the youngest and "received by the
handset" in the oldest.

A pair is (state, failure type). In tables of errors ("retry", "account") means that
the gateway pauses and keeps its queue, ("retry", "not_reached") that it is tried again.
"""

APIS = [
    ("one", "One API"),
    ("platform", "Platform SMS"),
    ("http", "Central API (HTTP)"),
]

# --------------------------------------------------------------------------
# Addresses and limits
# --------------------------------------------------------------------------

BASE_URLS = {
    "one": "https://platform.clickatell.com",
    "platform": "https://platform.clickatell.com",
    "http": "https://api.clickatell.com",
}
SEND_PATHS = {"one": "/v1/message", "platform": "/messages", "http": "/http/sendmsg"}
# The second is asked where the first one is not there.
BALANCE_PATHS = {
    "one": ["/v1/balance", "/public-client/balance"],
    "platform": ["/public-client/balance", "/v1/balance"],
    "http": ["/http/getbalance"],
}
STATUS_PATH = "/v1/message"
HTTP_STATUS_PATH = "/http/querymsg"
HTTP_CHARGE_PATH = "/http/getmsgcharge"
COVERAGE_PATHS = ["/utils/routeCoverage", "/utils/routeCoverage.php"]

# 200 and more are documented for each API, but programs met 100 as the limit.
RECIPIENTS_PER_REQUEST = 100
# HTTP API, sendmsg: "scheduled_time" takes seven days; the platform's limit is not
# documented.
SCHEDULE_LIMIT_S = 7 * 24 * 3600
# HTTP API, sendmsg: "validity", in minutes; the upper end is its default.
VALIDITY_MAX_MIN = 1440
# HTTP API, long messages: its own arithmetic for the parts of a long Unicode text.
UNICODE_SINGLE = 70
UNICODE_PART = 63
# HTTP API, two-way guide: times of incoming texts are GMT+0200 all year.
INBOUND_OFFSET_H = 2
# Integers above are milliseconds, below seconds.
MILLISECONDS_FROM = 10**11
# HTTP statuses of an address at which there is no such service.
NOT_THERE = (404, 405, 410)
# For how long one run of look-ups may take, in seconds: it shares Odoo's limit.
LOOKUP_BUDGET_S = 30.0

# HTTP API, sendmsg: "callback", which statuses are reported.
CALLBACK_LEVELS = [("7", "Every status"), ("3", "Handed over, and the end")]

# --------------------------------------------------------------------------
# One API
# --------------------------------------------------------------------------

# One API, error codes. Reserved and unknown ones: see ``UNKNOWN_ERROR``.
ONE_ERRORS = {
    1: ("retry", "account"),  # Invalid or missing integration API key
    2: ("retry", "account"),  # Account is not active
    3: ("retry", "account"),  # Integration is not active
    7: ("retry", "account"),  # Originating IP address is not approved
    18: ("unconfirmed", "unknown_outcome"),  # Internal error
    19: ("retry", "not_reached"),  # Internal error, please retry
    20: ("retry", "account"),  # Insufficient account balance
    21: ("failed", "rejected"),  # Payload data is malformed
    22: ("failed", "rejected"),  # Too many messages: the hub sends halves
    23: ("failed", "rejected"),  # Invalid or missing parameter
    24: ("failed", "too_long"),  # Maximum content size exceeded
    25: ("failed", "number_dead"),  # Invalid recipient address
    26: ("failed", "opted_out"),  # Recipient opted out
    27: ("failed", "number_dead"),  # Recipient not available on channel
    28: ("retry", "account"),  # Recipient not available on sandbox
    29: ("failed", "rejected"),  # reserved
    30: ("failed", "rejected"),  # Content type not supported: not SMS
    31: ("failed", "rejected"),  # Media file size limit: not SMS
    32: ("failed", "rejected"),  # Media payload size limit: not SMS
    33: ("failed", "rejected"),  # Media item not found: not SMS
    34: ("failed", "rejected"),  # reserved
    35: ("failed", "rejected"),  # reserved
    36: ("failed", "rejected"),  # reserved
    37: ("failed", "rejected"),  # reserved
    38: ("retry", "account"),  # Channel or feature is not active on integration
    39: ("retry", "account"),  # Channel is not available on integration
    40: ("failed", "unreadable"),  # Character set is not supported
    41: ("retry", "account"),  # Resource does not exist: a wrong address
    42: ("retry", "account"),  # HTTP method is not supported: a wrong address
    43: ("retry", "not_reached"),  # Rate limit
    44: ("retry", "account"),  # FROM number is suspended
    45: ("retry", "account"),  # FROM number is not related to integration
    46: ("retry", "account"),  # Demo access has expired
    100: ("failed", "too_long"),  # Maximum message parts exceeded
    101: ("failed", "country"),  # Destination does not support two-way messaging
    110: ("retry", "account"),  # USA limit: must use two-way integration
    111: ("retry", "account"),  # USA limit: must enable STOP commands
}
# Not One API's own: credentials of another one came to it, or the other way round.
MIXED_UP = 108
ONE_THROTTLED = (43,)
ONE_TOO_LARGE = (22,)
# Whom an ("retry", "account") is about, where it is not the account as a whole.
ONE_SCOPES = {
    28: "recipient",
    38: "integration",
    39: "integration",
    44: "sender",
    45: "sender",
    46: "integration",
    110: "recipient",
    111: "recipient",
}
# What to say and, by ``HELP_FIELDS``, which field to look at.
ONE_HELP = {
    1: "key",
    2: "inactive",
    3: "integration",
    7: "address_of_ours",
    20: "credit",
    28: "sandbox",
    38: "channel",
    39: "channel",
    41: "address",
    42: "address",
    44: "sender",
    45: "sender",
    46: "demo",
    101: "no_two_way",
    110: "usa",
    111: "usa_stop",
}
# One API, message statuses.
ONE_STATUSES = {
    1: ("unknown", None),  # UNKNOWN: message not found
    2: ("sent", None),  # QUEUED
    3: ("sent", None),  # SCHEDULED
    4: ("sent", None),  # SENT_TO_SUPPLIER: may be the last one ever
    5: ("delivered", None),  # DEVICE_ACK
    6: ("delivered", None),  # READ
    20: ("expired", "expired"),
    21: ("undelivered", "canceled"),  # STOPPED_BY_USER
    22: ("undelivered", "rejected"),  # STOPPED_BY_ADMIN
    23: ("undelivered", "not_delivered"),  # DELIVERY_FAILURE
    24: ("sent", None),  # EMULATED: sandbox
    25: ("undelivered", "account"),  # INSUFFICIENT_ACCOUNT_BALANCE
    26: ("undelivered", "account"),  # VOLUME_LIMIT
    27: ("undelivered", "account"),  # VOLUME_LIMIT_DAILY
    28: ("undelivered", "account"),  # VOLUME_LIMIT_MONTHLY
    29: ("undelivered", "number_dead"),  # RECIPIENT_DOES_NOT_EXIST
    60: ("undelivered", "not_delivered"),  # ENCRYPTION_ACCESS_DENIED
    61: ("undelivered", "not_delivered"),  # ENCRYPTION_CONTENT_ERROR
    80: ("undelivered", "rejected"),  # not SMS, to 85
    81: ("undelivered", "rejected"),
    82: ("undelivered", "rejected"),
    83: ("undelivered", "rejected"),
    84: ("undelivered", "rejected"),
    85: ("undelivered", "rejected"),
    100: ("undelivered", "not_delivered"),  # ROUTING_ERROR
}
# What to say of the end of a text, where Clickatell's own word says little.
ONE_STATUS_HELP = {
    20: "status_expired",
    21: "status_canceled",
    22: "status_canceled",
    23: "status_failed",
    25: "credit",
    26: "limit",
    27: "limit",
    28: "limit",
    100: "status_routing",
}
# The word decides; the number only where there is no word.
ONE_STATUS_WORDS = {
    "UNKNOWN": 1,
    "QUEUED": 2,
    "SCHEDULED": 3,
    "SENT_TO_SUPPLIER": 4,
    "DEVICE_ACK": 5,
    "READ": 6,
    "EXPIRED": 20,
    "STOPPED_BY_USER": 21,
    "STOPPED_BY_ADMIN": 22,
    "DELIVERY_FAILURE": 23,
    "EMULATED": 24,
    "INSUFFICIENT_ACCOUNT_BALANCE": 25,
    "VOLUME_LIMIT": 26,
    "VOLUME_LIMIT_DAILY": 27,
    "VOLUME_LIMIT_MONTHLY": 28,
    "RECIPIENT_DOES_NOT_EXIST": 29,
    "ENCRYPTION_ACCESS_DENIED": 60,
    "ENCRYPTION_CONTENT_ERROR": 61,
    "MEDIA_NOT_FOUND": 80,
    "MEDIA_SIZE_ERROR": 81,
    "MEDIA_CHECKSUM_FAILURE": 82,
    "MEDIA_REJECTED_BY_SUPPLIER": 83,
    "MEDIA_METADATA_ERROR": 84,
    "MEDIA_ACCESS_ERROR": 85,
    "ROUTING_ERROR": 100,
}
# From 130 on, and by word: WHATSAPP_…
ONE_NOT_SMS_FROM = 130
ONE_NOT_SMS_WORD = "WHATSAPP_"
NOT_SMS = ("undelivered", "rejected")

# --------------------------------------------------------------------------
# Platform SMS: no table is published
# --------------------------------------------------------------------------

# Seen in programs that use it.
PLATFORM_ERRORS = {
    108: ("retry", "account"),  # Invalid or missing integration API key
}
# What else decides is in the words of the error, the first that fits.
PLATFORM_ERROR_WORDS = {
    # As One API words them: about one text, whatever else they name.
    "message parts": ("failed", "too_long"),
    "two-way messaging": ("failed", "country"),
    "api key": ("retry", "account"),
    "two-way integration": ("retry", "account"),
    "integration": ("retry", "account"),
    "opted out": ("failed", "opted_out"),
    "destination": ("failed", "number_dead"),
    "recipient address": ("failed", "number_dead"),
    "balance": ("retry", "account"),
    "credit": ("retry", "account"),
    "funds": ("retry", "account"),
}
PLATFORM_SCOPES = {"two-way integration": "sender", "integration": "integration"}
PLATFORM_HELP = {
    "two-way messaging": "no_two_way",
    "api key": "mixed_up",
    "two-way integration": "sender",
    "integration": "integration",
    "balance": "credit",
    "credit": "credit",
    "funds": "credit",
}
# Seen in callbacks; every other one goes by number, with the table of the HTTP API.
PLATFORM_STATUS_WORDS = {
    "DELIVERED_TO_GATEWAY": ("sent", None),
    "RECEIVED_BY_RECIPIENT": ("delivered", None),
}

# --------------------------------------------------------------------------
# Central API (HTTP)
# --------------------------------------------------------------------------

# HTTP API, error codes of all editions. What says ("failed", "rejected") and has no
# comment more is for other commands or for what this addon never sends.
HTTP_ERRORS = {
    1: ("retry", "account"),  # Authentication failed
    2: ("retry", "account"),  # Unknown username or password
    3: ("retry", "account"),  # Session ID expired: no session is used here
    4: ("retry", "account"),  # Account frozen
    5: ("retry", "account"),  # Missing session ID: the credentials did not arrive
    7: ("retry", "account"),  # IP lockdown violation
    100: ("failed", "rejected"),  # Data malformed (REST)
    101: ("failed", "rejected"),  # Invalid or missing parameters
    102: ("failed", "rejected"),  # Invalid user data header
    103: ("failed", "rejected"),  # Unknown API message ID (look-up)
    104: ("failed", "rejected"),  # Unknown client message ID (look-up)
    105: ("failed", "number_dead"),  # Invalid destination address
    106: ("retry", "account"),  # Invalid source address
    107: ("failed", "empty"),  # Empty message
    108: ("retry", "account"),  # Invalid or missing API ID
    109: ("failed", "rejected"),  # Missing message ID (look-up)
    110: ("failed", "rejected"),  # Error with email message
    111: ("failed", "rejected"),  # Invalid protocol
    112: ("failed", "rejected"),  # Invalid message type
    113: ("failed", "too_long"),  # Maximum message parts exceeded
    114: ("failed", "country"),  # Cannot route message
    115: ("failed", "expired"),  # Message expired
    116: ("failed", "unreadable"),  # Invalid Unicode data
    120: ("failed", "rejected"),  # Invalid delivery time
    # Blocked after a STOP that was not confirmed, by the two-way guide. In doubt it
    # is the person's refusal.
    121: ("failed", "opted_out"),  # Destination mobile number blocked
    122: ("failed", "opted_out"),  # Destination mobile opted out
    # Taken off the list, perhaps after a STOP: so no other number of this person is
    # tried, and no refusal is recorded.
    128: ("failed", "blacklisted"),  # Number delisted
    123: ("retry", "account"),  # Invalid sender ID
    130: ("retry", "account"),  # Maximum MT limit exceeded until a time
    160: ("failed", "rejected"),  # REST, to 167
    161: ("failed", "rejected"),
    165: ("failed", "rejected"),
    166: ("failed", "rejected"),
    167: ("failed", "rejected"),
    201: ("failed", "rejected"),  # Invalid batch ID
    202: ("failed", "rejected"),  # No batch template
    301: ("retry", "account"),  # No credit left
    302: ("failed", "rejected"),  # Max allowed credit
    901: ("retry", "not_reached"),  # Internal error, please retry
}
HTTP_LIMIT_UNTIL = 130
HTTP_SCOPES = {106: "sender", 123: "sender"}
HTTP_HELP = {
    1: "login",
    2: "login",
    3: "login",
    4: "inactive",
    5: "login",
    7: "address_of_ours",
    106: "sender_http",
    108: "mixed_up",
    114: "country",
    121: "blocked",
    123: "sender_http",
    128: "delisted",
    130: "limit",
    301: "credit",
}
# HTTP API, message statuses; 13 is in the archive's list alone.
HTTP_STATUSES = {
    1: ("unknown", None),  # Message unknown, or reporting is late
    2: ("sent", None),  # Queued for another try
    3: ("sent", None),  # Delivered to gateway: may be the last one ever
    4: ("delivered", None),  # Received by recipient
    5: ("undelivered", "rejected"),  # Error with message
    6: ("undelivered", "canceled"),  # User cancelled
    7: ("undelivered", "not_delivered"),  # Error delivering message
    8: ("sent", None),  # "OK": accepted; the edition of 2009 contradicts itself
    9: ("undelivered", "not_delivered"),  # Routing error, or too dear
    10: ("expired", "expired"),  # Message expired
    11: ("sent", None),  # Queued for later delivery
    12: ("undelivered", "account"),  # Out of credit
    13: ("undelivered", "rejected"),  # Clickatell cancelled delivery
    14: ("undelivered", "account"),  # Maximum MT limit exceeded
}
HTTP_STATUS_HELP = {
    5: "status_content",
    6: "status_canceled",
    7: "status_failed",
    9: "status_routing",
    10: "status_expired",
    12: "credit",
    13: "status_canceled",
    14: "limit",
}

# --------------------------------------------------------------------------
# All APIs
# --------------------------------------------------------------------------

# Codes that no table holds: refused, with Clickatell's words for a person.
UNKNOWN_ERROR = ("failed", "rejected")
# Which field a hint is about.
HELP_FIELDS = {
    "key": "clickatell_api_key",
    "mixed_up": "clickatell_api",
    "login": "clickatell_password",
    "address": "clickatell_url",
    "sender": "sender",
    "sender_http": "sender",
    "integration": "clickatell_api_key",
    "channel": "clickatell_api_key",
    "sandbox": "clickatell_api_key",
    "usa": "clickatell_two_way",
    "usa_stop": "clickatell_api_key",
}
