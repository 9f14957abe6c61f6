# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

# Mixins first: models of ours inherit them.
from . import sms_text_export  # isort: skip
from . import ir_actions_server
from . import ir_http
from . import mail_activity
from . import mail_activity_answer
from . import mail_activity_type
from . import mail_message
from . import mail_notification
from . import mail_thread
from . import phone_blacklist
from . import res_company
from . import res_partner
from . import res_partner_consent
from . import res_partner_conversation
from . import res_partner_import
from . import res_partner_mobile
from . import res_users
from . import sms_assignment_rule
from . import sms_broadcast
from . import sms_broadcast_job
from . import sms_broadcast_progress
from . import sms_broadcast_recipient
from . import sms_consent
from . import sms_conversation
from . import sms_conversation_contact
from . import sms_conversation_mail
from . import sms_gateway
from . import sms_gateway_adapter
from . import sms_gateway_adapter_http
from . import sms_gateway_adapter_pull
from . import sms_gateway_adapter_sandbox
from . import sms_gateway_answers
from . import sms_gateway_attempt
from . import sms_gateway_balance
from . import sms_gateway_device
from . import sms_gateway_event
from . import sms_gateway_event_part
from . import sms_gateway_gate
from . import sms_gateway_holiday
from . import sms_gateway_message
from . import sms_gateway_message_auto
from . import sms_gateway_message_contact
from . import sms_gateway_message_lookup
from . import sms_gateway_message_schedule
from . import sms_gateway_message_thread
from . import sms_gateway_sandbox_rule
from . import sms_gateway_schedule
from . import sms_gateway_sender
from . import sms_keyword
from . import sms_reply_link
from . import sms_sms
from . import sms_suppression
from . import sms_template
