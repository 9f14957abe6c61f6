# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import sms_gateway
from . import sms_gateway_adapter_testing
from . import sms_gateway_adapter_testing_pull
from . import sms_gateway_device
