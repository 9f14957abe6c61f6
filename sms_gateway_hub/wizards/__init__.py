# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import base_partner_merge
from . import sms_assignment_try
from . import mail_activity_schedule
from . import sms_composer
from . import sms_consent_record
from . import sms_conversation_contact
from . import sms_conversation_reassign
from . import sms_erase
from . import sms_gateway_coverage
from . import sms_log
