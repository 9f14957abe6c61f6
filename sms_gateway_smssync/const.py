# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The words of smssync, in the hub's vocabulary.

A text that the phone could not send is "undelivered", never "failed": the app may send
it again by itself, so nothing may take its place as if it were certain that nobody got
it.
"""

# SMSsync 2.6.1 to 3.1.1, results of a text: "sent_result_code" is Android's result of
# SmsManager (RESULT_OK is -1), not the code of the app's manual, where 0 is success.
# 0 and -2 say nothing. -> (state, failure type).
SEND_CODES = {
    -1: ("sent", None),
    # Generic failure, e.g. no credit on the SIM.
    1: ("undelivered", "not_delivered"),
    # The radio is off: flight mode.
    2: ("undelivered", "not_reached"),
    # The text could not be put into SMS parts.
    3: ("undelivered", "unreadable"),
    # No service: no network where the phone is.
    4: ("undelivered", "not_reached"),
    # Android's own limit of SMS was reached, and nobody allowed more.
    5: ("undelivered", "rejected"),
    # The SIM may call fixed numbers only.
    6: ("undelivered", "rejected"),
    # Texts to a premium number were not allowed on the phone, this once and for good.
    7: ("undelivered", "rejected"),
    8: ("undelivered", "rejected"),
}
# Whatever else Android calls a failure, now or later.
SEND_CODE_UNKNOWN = ("undelivered", "not_delivered")

# "delivered_result_code": counts with a text only, as 0 is its default as well.
DELIVERY_CODES = {
    -1: ("delivered", None),
    0: ("undelivered", "not_delivered"),
}

# Texts of a result, in lower case and without a full stop at the end: those of the app
# in English and those of its manual. The app writes them in the phone's language, so
# they are asked last.
RESULT_TEXTS = {
    "sms sent": ("sent", None),
    "smssync message sent": ("sent", None),
    "message sent": ("sent", None),
    "sms delivered": ("delivered", None),
    "sms not delivered": ("undelivered", "not_delivered"),
    "failed to send sms - maybe insufficient air time on the phone": (
        "undelivered",
        "not_delivered",
    ),
    "failed to send sms because service is currently unavailable": (
        "undelivered",
        "not_reached",
    ),
    "failed to send sms because radio was explicitly turned off": (
        "undelivered",
        "not_reached",
    ),
    "failed to send sms because no pdu provided": ("undelivered", "unreadable"),
    "unknown error while sending sms": ("undelivered", "not_delivered"),
    "no service": ("undelivered", "not_reached"),
}
# From here on every row that is reported is a failure, in whatever language.
ONLY_FAILURES_FROM = (3, 0, 4)

# What a version reports by itself, from that version on, in the hub's words. Failures
# come from 2.8 on only under conditions that nobody can count on.
REPORTED_FROM = (
    ((3, 0, 4), frozenset()),
    ((3, 0), frozenset({"sent", "delivered"})),
    ((2, 8), frozenset({"sent", "delivered"})),
    ((2, 7), frozenset({"sent", "undelivered", "delivered"})),
)
# Older ones have neither acknowledgement nor results.
RESULTS_API_FROM = (2, 7)
# These crash on an empty list of texts, and ask for results without the secret.
FRAGILE_VERSIONS = frozenset({(2, 7), (2, 7, 1)})
# From the first one on and below the second one, the sender stands where the phone's
# own number belongs.
SENT_TO_IS_SENDER = ((3, 0), (3, 0, 5))
# Only these do not send the texts of an answer again after a failed post.
INSTANT_REPLIES_BELOW = (3,)
# Texts that may ride on the answer to a text that came in.
INSTANT_REPLIES_MAX = 5

# Names of the fields of a text that came in; each can be renamed on the phone.
FIELDS = (
    "secret",
    "from",
    "message",
    "sent_timestamp",
    "sent_to",
    "message_id",
    "device_id",
)
# What the app's test button posts.
TEST_FROM = "+000000000000"
TEST_MESSAGE = "Test Message From SMSSync Integration"

# The hub takes no more either.
BODY_MAX_BYTES = 64 * 1024
# A text without id and time counts as the same one for so long, in seconds.
REPEAT_WINDOW_S = 600
# Characters of an error that the phone's log gets.
ERROR_MAX = 200
