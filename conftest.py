"""Rules of this repository's test runs, also for a plain call of pytest."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "setup"))

pytest_plugins = ["pytest_rules"]
