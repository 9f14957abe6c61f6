# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The words of the test gateway, in the hub's vocabulary."""

# Status of one message in the answer to a request -> (state, failure type).
SEND_STATES = {
    "accepted": ("sent", None),
    "rejected": ("failed", "rejected"),
    "bad_number": ("failed", "number_dead"),
    "unknown": ("unconfirmed", None),
    "later": ("retry", None),
    "slow": ("retry", None),
    "account": ("retry", None),
    "refused": ("failed", "opted_out"),
    "no credit": ("failed", "account"),
}
# Word in a delivery report -> (state, failure type).
REPORT_STATES = {
    "queued": ("sent", None),
    "sent": ("sent", None),
    "delivered": ("delivered", None),
    "failed": ("undelivered", "not_delivered"),
    "dead": ("undelivered", "number_dead"),
    "refused": ("undelivered", "opted_out"),
    "expired": ("expired", "expired"),
}
