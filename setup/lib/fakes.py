# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Gateways of the demo database that point at fakes; runs inside ``odoo shell``.

SGH_FAKE_CLICKATELL is the address of the fake Clickatell, SGH_FAKE_PHONE whether there
is a phone, SGH_FAKES_ODOO the address of Odoo. Without them the gateways of an earlier
run are disabled. Writes "PHONE address secret" into the file SGH_FAKES_OUT.
"""

import json
import os
import urllib.parse
import urllib.request
from pathlib import Path

CALLBACK_USER = "odoo"
CALLBACK_PASSWORD = "callbacks-of-the-demo"
odoo_url = os.environ.get("SGH_FAKES_ODOO", "")
clickatell_url = os.environ.get("SGH_FAKE_CLICKATELL", "")
with_phone = bool(os.environ.get("SGH_FAKE_PHONE"))
out = Path(os.environ["SGH_FAKES_OUT"])


def keep(env, name, model, values):
    """Make the demo's record of a name, or bring it up to date."""
    record = env.ref(f"__demo__.{name}", raise_if_not_found=False)
    if record and record.exists():
        record.write(values)
        return record
    record = env[model].create(values)
    env["ir.model.data"].create(
        {
            "module": "__demo__",
            "name": name,
            "model": model,
            "res_id": record.id,
            "noupdate": True,
        }
    )
    return record


def disable(env, name):
    """Switch off what has no fake to talk to."""
    gateway = env.ref(f"__demo__.{name}", raise_if_not_found=False)
    if gateway and gateway.exists() and gateway.state != "disabled":
        gateway.state = "disabled"


def set_up_clickatell(env):
    """Make the gateway, and tell the fake where it calls back."""
    with urllib.request.urlopen(clickatell_url, timeout=10) as answer:
        account = json.load(answer)
    gateway = keep(
        env,
        "gateway_clickatell",
        "sms.gateway",
        {
            "name": "Clickatell (fake)",
            "code": "clickatell",
            "state": "enabled",
            "active": True,
            "sequence": 200,
            "sender": account["numbers"][0],
            "clickatell_url": clickatell_url,
            "local_network": True,
            "clickatell_api_key": account["api_key"],
            "clickatell_user": account["user"],
            "clickatell_password": account["password"],
            "clickatell_api_id": account["api_id"],
            "clickatell_two_way": True,
            "clickatell_callback_user": CALLBACK_USER,
            "clickatell_callback_password": CALLBACK_PASSWORD,
            "webhook_base_url": odoo_url,
        },
    )
    gateway._resumed()
    for api in account["callbacks"]:
        form = {
            "api": api,
            "status_url": gateway.webhook_status_url,
            "reply_url": gateway.webhook_inbound_url,
            "user": CALLBACK_USER,
            "password": CALLBACK_PASSWORD,
        }
        # The addresses do not answer yet: Odoo starts next.
        data = urllib.parse.urlencode(form).encode()
        urllib.request.urlopen(
            f"{clickatell_url}/portal/callbacks", data, timeout=30
        ).close()


def set_up_phone(env):
    """Make the gateway and its phone; return what the phone has to know."""
    gateway = keep(
        env,
        "gateway_smssync",
        "sms.gateway",
        {
            "name": "Phone with SMSsync (fake)",
            "code": "smssync",
            "state": "enabled",
            "active": True,
            "sequence": 201,
            "webhook_base_url": odoo_url,
        },
    )
    gateway._resumed()
    phone = keep(
        env,
        "phone_smssync",
        "sms.gateway.device",
        {"name": "Fake phone", "gateway_id": gateway.id, "poll_interval_s": 60},
    )
    return phone.poll_url, phone.secret


def main(env):
    """Set up what there is a fake for, disable the rest."""
    lines = []
    gateways = env["sms.gateway"]
    if clickatell_url and "clickatell_url" in gateways._fields:
        set_up_clickatell(env)
    else:
        disable(env, "gateway_clickatell")
    codes = dict(gateways._fields["code"].get_description(env)["selection"])
    pulls = "poll_url" in env["sms.gateway.device"]._fields
    if with_phone and pulls and "smssync" in codes:
        lines.append("PHONE {} {}".format(*set_up_phone(env)))
    else:
        disable(env, "gateway_smssync")
    env.cr.commit()
    out.write_text("".join(f"{line}\n" for line in lines))


main(env)  # noqa: F821 - odoo shell brings it
