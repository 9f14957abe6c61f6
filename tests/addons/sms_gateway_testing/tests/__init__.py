# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import test_fuzz
from . import test_runner
from . import test_threats
from . import test_testing_send
from . import test_testing_webhook
from . import test_testing_refusals
