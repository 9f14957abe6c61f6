# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import test_clickatell_gateway
from . import test_clickatell_send
from . import test_clickatell_tables
from . import test_clickatell_webhook
