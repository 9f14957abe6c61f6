# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import test_auto_reply
from . import test_conversation_screens
from . import test_gateway_balance
from . import test_gateway_schedule
from . import test_inbound_parts
from . import test_inbound_safety
from . import test_js
from . import test_keywords
from . import test_log_filter
from . import test_mail_reply
from . import test_quiet_hours
from . import test_reply_by_email
from . import test_reply_page
from . import test_res_partner_import
from . import test_res_partner_mobile
from . import test_sandbox
from . import test_security
from . import test_segments
from . import test_sender_run
from . import test_sms_activity
from . import test_sms_assignment_rule
from . import test_sms_broadcast
from . import test_sms_composer
from . import test_sms_consent
from . import test_sms_conversation
from . import test_sms_flows
from . import test_sms_gateway
from . import test_sms_gateway_device
from . import test_sms_gateway_gate
from . import test_sms_gateway_message
from . import test_sms_keyword
from . import test_sms_log
from . import test_transport
from . import test_webhook
