# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What every addon of this repository must bring, found by looking, not by a list."""

import ast
import re

import pytest
from support import CHECKOUT, TEST_ADDONS

ADDONS = sorted(path.parent for path in CHECKOUT.glob("*/__manifest__.py"))
EVERY_ADDON = ADDONS + sorted(p.parent for p in TEST_ADDONS.glob("*/__manifest__.py"))
HUB = CHECKOUT / "sms_gateway_hub"
# A gateway is what brings an adapter of its own.
GATEWAYS = [
    folder
    for folder in EVERY_ADDON
    if folder != HUB
    and any(
        "_name = " in path.read_text()
        for path in folder.glob("models/sms_gateway_adapter_*.py")
    )
]
SHIPPED = [
    "pyproject.toml",
    "readme/DESCRIPTION.md",
    "readme/SUPPORTED.md",
    "readme/HISTORY.md",
    "static/description/icon.png",
    "static/description/index.html",
]


def ids(folders):
    return [folder.name for folder in folders]


def constant(path, name):
    """Read a constant of a Python file without running it."""
    for node in ast.parse(path.read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and getattr(node.targets[0], "id", None) == name
        ):
            return node.value
    raise AssertionError(f"{path} has no {name}")


def hub_keys(name):
    return {key for key, _label in ast.literal_eval(constant(HUB / "const.py", name))}


def test_there_are_addons_and_a_gateway():
    """The look-up finds something, so that the checks below check something."""
    assert HUB in ADDONS
    assert GATEWAYS


@pytest.mark.parametrize("addon", EVERY_ADDON, ids=ids(EVERY_ADDON))
def test_manifest(addon):
    """Every manifest names the series, the licence and files that are there."""
    manifest = ast.literal_eval((addon / "__manifest__.py").read_text())
    assert re.match(r"^19\.0\.\d+\.\d+\.\d+$", manifest["version"])
    assert manifest["license"] == "LGPL-3"
    for key in ("data", "demo"):
        for name in manifest.get(key, []):
            assert (addon / name).is_file(), f"{addon.name}: {name} is missing"


@pytest.mark.parametrize("addon", ADDONS, ids=ids(ADDONS))
def test_what_an_addon_ships(addon):
    """Every addon has its readme, icon, page, packaging and translation template."""
    missing = [name for name in SHIPPED if not (addon / name).is_file()]
    assert not missing
    assert (addon / f"i18n/{addon.name}.pot").is_file()


@pytest.mark.parametrize("addon", ADDONS, ids=ids(ADDONS))
def test_readme_says_what_is_supported(addon):
    """Every readme says Supported, Not implemented and Quirks."""
    headings = re.findall(
        r"^#+ (.+)$", (addon / "readme/SUPPORTED.md").read_text(), re.M
    )
    assert {"Supported", "Not implemented", "Quirks"} <= set(headings)


@pytest.mark.parametrize("addon", GATEWAYS, ids=ids(GATEWAYS))
def test_gateway_is_one_small_folder(addon):
    """A gateway brings no controller and no access file; its tools know no Odoo."""
    assert not (addon / "controllers").exists()
    assert not list(addon.glob("security/ir.model.access.csv"))
    assert (addon / "data/neutralize.sql").is_file()
    for path in addon.glob("tools/*.py"):
        imports = re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(), re.M)
        foreign = [
            name
            for name in imports
            if name.split(".")[0] == "odoo"
            and not name.startswith("odoo.addons.sms_gateway_hub")
        ]
        assert not foreign, f"{path.name} imports {foreign}"


@pytest.mark.parametrize("addon", GATEWAYS, ids=ids(GATEWAYS))
def test_gateway_speaks_the_hubs_words(addon):
    """Tables of a gateway map the provider's words to words that the hub knows."""
    failures = hub_keys("FAILURE_TYPES") | {None}
    states = hub_keys("MESSAGE_STATES") | {"retry", "unknown"}
    tables = 0
    for node in ast.parse((addon / "const.py").read_text()).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)):
            continue
        for value in ast.literal_eval(node.value).values():
            if isinstance(value, tuple) and len(value) == 2:
                tables += 1
                assert value[0] in states, f"{addon.name}: {value}"
                assert value[1] in failures, f"{addon.name}: {value}"
    assert tables, "no table of states was found"


def test_the_hub_names_no_gateway():
    """No file of the hub knows a gateway's name but its own sandbox."""
    names = {folder.name.removeprefix("sms_gateway_") for folder in GATEWAYS} | {
        "clickatell",
        "smssync",
    }
    for path in HUB.rglob("*.py"):
        if "tests" in path.relative_to(HUB).parts:
            continue
        words = set(re.findall(r"[a-z]+", path.read_text().lower()))
        assert not names & words - {"testing"}, path


def test_secrets_are_never_compared_with_equals():
    """T3: no secret, token, key or signature is compared by == or !=."""
    pattern = re.compile(
        r"\b\w*(secret|token|signature|password|digest)\w*\s*[!=]=|"
        r"[!=]=\s*\w*(secret|token|signature|password)\w*"
    )
    for addon in EVERY_ADDON:
        for path in addon.rglob("*.py"):
            if "tests" in path.relative_to(addon).parts:
                continue
            for line in path.read_text().splitlines():
                assert not pattern.search(line), f"{path.name}: {line.strip()}"
