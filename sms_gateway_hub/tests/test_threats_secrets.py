# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T9: secrets over the real door, by every way that there is to ask for one.

A way succeeds when an answer holds a secret, or when it differs between a guess that
is right and one that is wrong: that is how a secret is read letter by letter.
"""

import json
import logging

from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .common import LogLines
from .http_common import RpcMixin
from .test_security import KEY, SecurityMixin
from .test_threats_rpc import MUTED

_logger = logging.getLogger(__name__)

ROLES = ("portal", "user", "manager", "administrator")


@tagged("post_install", "-at_install")
class TestSecretsByRpc(RpcMixin, SecurityMixin, HttpCase):
    """Reads of secrets by who is no system administrator: none."""

    def setUp(self):
        super().setUp()
        pull = self.make_gateway(code="testing_pull", name="Phones")
        self.device = self.env["sms.gateway.device"].create(
            {
                "name": "Front desk",
                "gateway_id": pull.id,
                "basic_user": "UserNobodyMaySee",
                "basic_password": "PasswordNobodyMaySee",
            }
        )
        self.partner.sms_gateway_id = self.gateway
        self.message = self.enqueue(partner_id=self.partner.id)
        self.conversation = self.env["sms.conversation"]._get_many(
            [(self.message.number, self.env.company.id)]
        )[self.message.number, self.env.company.id]
        self.conversation.write(
            {"gateway_id": self.gateway.id, "partner_id": self.partner.id}
        )
        self.event = self.env["sms.gateway.event"].create(
            {"gateway_id": self.gateway.id, "event_key": "k", "kind": "report"}
        )
        self.env.cr.flush()

    def secrets(self):
        """Yield (record, field name, value) of each secret."""
        for record in (self.gateway, self.device):
            for name, field in record._fields.items():
                if (
                    field.groups == "base.group_system"
                    and field.type in ("char", "text")
                    and record[name]
                ):
                    yield record, name, record[name]

    def paths(self, record, name):
        """Yield (model, record, path) by which a field can be reached."""
        yield record._name, record, name
        if name not in ("testing_key", "secret"):
            # All fields are guarded by the same code: one of each takes every path.
            return
        if record == self.gateway:
            yield "sms.gateway.message", self.message, f"gateway_id.{name}"
            yield "res.partner", self.partner, f"sms_gateway_id.{name}"
            yield "sms.conversation", self.conversation, f"gateway_id.{name}"
            yield "sms.gateway.event", self.event, f"gateway_id.{name}"
            yield (
                "sms.gateway.message",
                self.message,
                f"partner_id.sms_gateway_id.{name}",
            )
        else:
            yield "sms.gateway", record.gateway_id, f"device_ids.{name}"

    def ways(self, model, record, path, guess):
        """Yield (method, args, kwargs) that ask for a field, knowing a guess."""
        first, _dot, rest = path.partition(".")
        nested = {first: {"fields": {rest: {}}}} if rest else {path: {}}
        for operator, value in (
            ("=like", f"{guess}%"), ("=ilike", f"{guess}%"), ("=", guess),
            ("in", [guess]), ("like", guess), (">=", guess), ("not like", guess),
        ):  # fmt: skip
            domain = [("id", "=", record.id), (path, operator, value)]
            yield "search", [domain], {}
            if rest:
                inner = [(first, "any", [(rest, operator, value)])]
                yield "search", [inner], {}
        hidden = [(path, "=like", f"{guess}%")]
        yield "search_count", [hidden], {}
        yield "search_read", [hidden, ["id"]], {}
        yield "web_search_read", [hidden, {"id": {}}], {}
        yield "name_search", [], {"name": "", "domain": hidden}
        yield "web_name_search", [], {
            "name": "", "specification": {"id": {}}, "domain": hidden,
        }  # fmt: skip
        # A random secret may begin like a name that may be seen.
        names = self.env[model].search([]).mapped("display_name")
        is_name = any(guess.lower() in name.lower() for name in names)
        yield "name_search", [guess * 5 if is_name else guess], {}
        yield "formatted_read_group", [hidden, [], ["__count"]], {}
        yield "formatted_read_group", [[], [path], ["__count"]], {}
        yield "formatted_read_group", [[], [], [f"{path}:array_agg"]], {}
        yield "formatted_read_group", [[], [], [f"{path}:max"]], {}
        yield "read_group", [[], [f"{path}:max"], [path]], {}
        yield "web_read_group", [[], [path], ["__count"]], {}
        yield "read_progress_bar", [hidden, path, {"field": path, "colors": {}}], {}
        yield "search_panel_select_range", [path], {"search_domain": hidden}
        yield "search", [[]], {"order": f"{path} desc"}
        yield "search_read", [[], [path]], {}
        yield "read", [record.ids, [path]], {}
        yield "web_read", [record.ids, nested], {}
        yield "export_data", [record.ids, [path.replace(".", "/")]], {}
        yield "copy_data", [record.ids], {}
        yield "onchange", [record.ids, {}, [], nested], {}
        yield "onchange", [[], {}, [], {path: {}}], {}
        yield "default_get", [[path]], {}
        yield "fields_get", [], {"attributes": ["string", "type"]}
        yield "get_field_translations", [record.ids, first], {}
        yield "write", [record.ids, {first: guess}], {}
        yield "web_save", [record.ids, {}, nested], {}
        yield "filtered_domain", [record.ids, hidden], {}
        yield "mapped", [record.ids, path], {}
        yield "sorted", [record.ids, path], {}

    def renders(self, record, name):
        """Yield (model, values, button): forms whose words or rule look into a field.

        :param str name: field of the gateway
        """
        words = f"{{{{ object.sms_gateway_id.{name} }}}}"
        yield "sms.composer", {
            "composition_mode": "comment", "res_model": "res.partner",
            "res_id": self.partner.id, "body": words,
        }, "action_send_sms"  # fmt: skip
        yield "sms.composer", {
            "composition_mode": "mass", "res_model": "res.partner",
            "res_ids": str(self.partner.ids), "body": words, "mass_keep_log": True,
        }, "action_send_sms"  # fmt: skip
        yield "sms.broadcast", {"name": "x", "body": words}, "action_check"
        yield "sms.broadcast", {
            "name": "x", "body": "x",
            "domain": f"[('sms_gateway_id.{name}', '=like', 'K%')]",
        }, "action_check"  # fmt: skip
        yield "sms.template", {
            "name": "x", "body": words,
            "model_id": self.env["ir.model"]._get_id("res.partner"),
        }, None  # fmt: skip
        yield "mail.template", {
            "name": "x", "body_html": words,
            "model_id": self.env["ir.model"]._get_id("res.partner"),
        }, None  # fmt: skip
        yield "ir.filters", {
            "name": "x", "model_id": "sms.gateway",
            "domain": f"[('{name}', '=like', 'K%')]",
        }, None  # fmt: skip

    def rpc(self, model, method, args, kwargs):
        """Call as whoever is logged in.

        :return: (text of the answer, result or None)
        """
        answer = self.post_rpc(model, method, args, kwargs)
        self.assertEqual(answer.status_code, 200)
        return answer.text, answer.json().get("result")

    @mute_logger(*MUTED)
    def test_by_every_way(self):
        """No way shows a secret or tells a right guess from a wrong one."""
        tried, read = 0, []
        known = [*self.secrets()]
        values = {value for _record, _name, value in known}
        for role in ROLES:
            login = self.users[role].login
            self.authenticate(login, f"{login}_password")
            for record, name, value in known:
                for model, held, path in self.paths(record, name):
                    right = self.ways(model, held, path, value[:3])
                    wrong = self.ways(model, held, path, "\x7f\x7f\x7f")
                    for (method, args, kwargs), (_m, other_args, other_kwargs) in zip(
                        right, wrong, strict=True
                    ):
                        label = f"{role} {model} {method} {path}"
                        text, result = self.rpc(model, method, args, kwargs)
                        tried += 1
                        if any(known_value in text for known_value in values):
                            read.append(label)
                            continue
                        # Only an answer, and not a refusal, can tell anything.
                        if result is None or (args, kwargs) == (
                            other_args,
                            other_kwargs,
                        ):
                            continue
                        _text, other = self.rpc(model, method, other_args, other_kwargs)
                        if result != other:
                            read.append(f"{label} guess")
        self.env.invalidate_all()
        self.assertEqual({value for _r, _n, value in self.secrets()}, values)
        _logger.info("S2: %s tries to read a secret, %s successes", tried, len(read))
        self.assertFalse(read)

    @mute_logger(*MUTED)
    def test_by_words(self):
        """No template, placeholder or rule takes out a secret for them."""
        editor = self.env.ref("mail.group_mail_template_editor")
        for role in ("user", "manager", "administrator"):
            self.users[role].group_ids = [Command.link(editor.id)]
        values = {value for _record, _name, value in self.secrets()}
        tried = 0
        for role in ("user", "manager", "administrator"):
            login = self.users[role].login
            self.authenticate(login, f"{login}_password")
            for name in ("testing_key", "webhook_token", "testing_secret"):
                for model, vals, button in self.renders(self.gateway, name):
                    label = f"{role} {model} {vals}"
                    with self.row(label), LogLines("odoo.addons.sms_gateway") as lines:
                        text, made = self.rpc(model, "create", [vals], {})
                        if made and button:
                            text += self.rpc(model, button, [[made]], {})[0]
                        if made and model in ("sms.template", "mail.template"):
                            text += self.preview(model, made)
                        tried += 1
                        self.apply_rendered(text, lines, values, label)
        _logger.info("S2: %s templates and rules, 0 secrets", tried)

    def preview(self, model, template_id):
        """Let a template be rendered by whoever is logged in."""
        if model == "sms.template":
            values = {
                "sms_template_id": template_id,
                "resource_ref": f"res.partner,{self.partner.id}",
            }
            return self.rpc(
                "sms.template.preview", "onchange",
                [[], values, ["resource_ref"], {"body": {}}], {},
            )[0]  # fmt: skip
        values = {
            "mail_template_id": template_id,
            "resource_ref": f"res.partner,{self.partner.id}",
        }
        return self.rpc(
            "mail.template.preview", "onchange",
            [[], values, ["resource_ref"], {"body_html": {}}], {},
        )[0]  # fmt: skip

    def apply_rendered(self, text, lines, values, label):
        """Check the answer, the log, and all that was made of the words."""
        self.env["sms.broadcast"].search([])._compute_display_name()
        bodies = [
            *self.env["sms.gateway.message"].search([]).mapped("body"),
            *self.env["sms.sms"].search([]).mapped("body"),
            *self.env["mail.message"].search([], limit=20).mapped("body"),
        ]
        shown = text + json.dumps([str(body) for body in bodies])
        for value in values:
            self.assertNotIn(value, shown, label)
            self.assertNotIn(value, lines.text(logging.DEBUG), label)
        self.assertNotIn(KEY, shown)
