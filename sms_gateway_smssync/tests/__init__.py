# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import test_smssync
from . import test_smssync_adapter
from . import test_smssync_http
