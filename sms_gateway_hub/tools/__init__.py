# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import addresses
from . import cells
from . import gateway_data
from . import keywords
from . import log_filter
from . import phone
from . import quiet_hours
from . import refusals
from . import segments
from . import sender_run
from . import sms_api
from . import sql_arrays
from . import transaction
from . import transport
from . import webhook
