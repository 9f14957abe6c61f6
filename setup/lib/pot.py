"""Export the translation templates of addons; see setup/pot."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Lines of the header that change with every export.
DATES = re.compile(r'^"(POT-Creation-Date|PO-Revision-Date): .*\\n"\n', re.M)


def export(database, addon, folder):
    """Return what Odoo exports as the template of an addon, without dates."""
    target = Path(folder, f"{addon}.pot")
    command = [sys.executable, "-m", "odoo", "i18n", "export"]
    command += ["-c", os.environ["SGH_ODOO_CONF"], "-d", database, "-o", target, addon]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if result.returncode or not target.exists():
        raise SystemExit(f"Odoo did not export {addon}:\n{result.stderr}")
    return DATES.sub("", target.read_text(encoding="utf-8"))


def main(arguments):
    check = "--check" in arguments
    database, *addons = [argument for argument in arguments if argument != "--check"]
    folders = [Path(path) for path in os.environ["SGH_ADDONS_PATH"].split(",")]
    stale = []
    with tempfile.TemporaryDirectory() as folder:
        for addon in addons:
            path = next(home / addon for home in folders if (home / addon).is_dir())
            path = path / "i18n" / f"{addon}.pot"
            new = export(database, addon, folder)
            old = path.read_text(encoding="utf-8") if path.exists() else ""
            if new == old:
                continue
            stale.append(addon)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(new, encoding="utf-8")
                print(f"written: {path}")
    if check and stale:
        print(f"run setup/pot: old templates in i18n of {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
