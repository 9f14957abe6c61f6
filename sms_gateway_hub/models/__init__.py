# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import ir_actions_server
from . import ir_http
from . import mail_message
from . import res_company
from . import res_partner
from . import sms_gateway
from . import sms_gateway_adapter
from . import sms_gateway_adapter_http
from . import sms_gateway_adapter_sandbox
from . import sms_gateway_attempt
from . import sms_gateway_event
from . import sms_gateway_message
from . import sms_gateway_sandbox_rule
from . import sms_gateway_sender
from . import sms_sms
