# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

# Each change of a message is written to all its indexes; others stand in for these.
_INDEXES = (
    "sms_gateway_message__gateway_id_index",
    "sms_gateway_message__device_id_index",
    "sms_gateway_message_lease_index",
)


def migrate(cr, version):
    """Drop indexes of messages that others stand in for."""
    for name in _INDEXES:
        cr.execute(f'DROP INDEX IF EXISTS "{name}"')
