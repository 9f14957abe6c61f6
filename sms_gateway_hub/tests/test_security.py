# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
import re

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.mail.tools.discuss import Store

from ..tools import webhook
from .common import NUMBERS, LogLines, SmsGatewayCase, SmsGatewayMixin
from .http_common import RpcMixin

KEY = "KEY-NOBODY-MAY-SEE"
SECRET = "SECRET-NOBODY-MAY-SEE"
GATEWAY = {"code": "testing", "testing_key": KEY, "testing_secret": SECRET}
OPERATIONS = ("read", "write", "create", "unlink")
# Which operations each role has on each model: r, w, c, u.
MATRIX = {
    "sms.gateway": {
        "public": "", "portal": "", "user": "r", "manager": "r",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.gateway.message": {
        "public": "", "portal": "", "user": "rw", "manager": "rw",
        "administrator": "rw", "system": "rw",
    },
    "sms.gateway.event": {
        "public": "", "portal": "", "user": "", "manager": "r",
        "administrator": "rw", "system": "rw",
    },
    "sms.gateway.attempt": {
        "public": "", "portal": "", "user": "", "manager": "r",
        "administrator": "r", "system": "r",
    },
    "sms.gateway.sandbox.rule": {
        "public": "", "portal": "", "user": "r", "manager": "r",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.gateway.device": {
        "public": "", "portal": "", "user": "r", "manager": "r",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.gateway.coverage": {
        "public": "", "portal": "", "user": "", "manager": "",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.consent": {
        "public": "", "portal": "", "user": "r", "manager": "r",
        "administrator": "r", "system": "r",
    },
    "sms.gateway.rate": {
        "public": "", "portal": "", "user": "", "manager": "",
        "administrator": "", "system": "r",
    },
    "sms.suppression": {
        "public": "", "portal": "", "user": "", "manager": "",
        "administrator": "r", "system": "r",
    },
    "sms.keyword": {
        "public": "", "portal": "", "user": "r", "manager": "rwc",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.gateway.holiday": {
        "public": "", "portal": "", "user": "r", "manager": "r",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.broadcast": {
        "public": "", "portal": "", "user": "", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.broadcast.recipient": {
        "public": "", "portal": "", "user": "", "manager": "r",
        "administrator": "r", "system": "r",
    },
    "sms.broadcast.progress": {
        "public": "", "portal": "", "user": "", "manager": "r",
        "administrator": "r", "system": "r",
    },
    "res.partner.mobile": {
        "public": "", "portal": "", "user": "rwcu", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.assignment.try": {
        "public": "", "portal": "", "user": "", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.consent.record": {
        "public": "", "portal": "", "user": "rwcu", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.erase": {
        "public": "", "portal": "", "user": "", "manager": "",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.conversation": {
        "public": "", "portal": "", "user": "rw", "manager": "rw",
        "administrator": "rw", "system": "rw",
    },
    "sms.assignment.rule": {
        "public": "", "portal": "", "user": "r", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.reply.link": {
        "public": "", "portal": "", "user": "", "manager": "r",
        "administrator": "r", "system": "r",
    },
    "sms.conversation.reassign": {
        "public": "", "portal": "", "user": "rwcu", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.conversation.contact": {
        "public": "", "portal": "", "user": "rwcu", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
    "sms.log": {
        "public": "", "portal": "", "user": "rwcu", "manager": "rwcu",
        "administrator": "rwcu", "system": "rwcu",
    },
}  # fmt: skip
SECRET_FIELDS = (
    "testing_key",
    "testing_secret",
    "webhook_token",
    "webhook_digest",
    "webhook_status_url",
    "webhook_inbound_url",
    "cron_id",
)


class SecurityMixin(SmsGatewayMixin):
    """One user of each role, and a company of another one's."""

    gateway_values = GATEWAY

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env["res.company"].create({"name": "Other company"})
        groups = {
            "public": "base.group_public",
            "portal": "base.group_portal",
            "user": "base.group_user",
            "manager": "sms_gateway_hub.group_manager",
            "administrator": "sms_gateway_hub.group_administrator",
            "system": "base.group_system",
        }
        cls.users = {
            role: cls.env["res.users"].create(
                {
                    "name": role.title(),
                    "login": f"sms_{role}",
                    "password": f"sms_{role}_password",
                    "email": f"{role}@example.com",
                    "group_ids": [Command.set(cls.env.ref(group).ids)],
                }
            )
            for role, group in groups.items()
        }
        cls.stranger = cls.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "sms_stranger",
                "group_ids": [
                    Command.set(cls.env.ref("sms_gateway_hub.group_administrator").ids)
                ],
                "company_id": cls.other_company.id,
                "company_ids": [Command.set(cls.other_company.ids)],
            }
        )
        cls.insiders = ("user", "manager", "administrator")


@tagged("post_install", "-at_install")
class TestAccess(SecurityMixin, SmsGatewayCase):
    """Who may read, write, create and delete what."""

    def test_matrix(self):
        """Each role has just the operations of the table, on each model."""
        for model, roles in MATRIX.items():
            for role, letters in roles.items():
                for operation in OPERATIONS:
                    with self.subTest(model=model, role=role, operation=operation):
                        allowed = (
                            self.env[model]
                            .with_user(self.users[role])
                            .has_access(operation)
                        )
                        self.assertEqual(
                            allowed,
                            operation[0] in letters,
                            f"{role} {operation} {model}",
                        )

    def test_matrix_is_complete(self):
        """Every model of the hub that has records is in the table above."""
        own = {
            name
            for name, model in self.env.registry.items()
            if model._original_module == "sms_gateway_hub" and not model._abstract
        }
        self.assertEqual(own, set(MATRIX))

    def test_own_texts(self):
        """A user sees own texts and those of contacts, a manager all."""
        own = self.users["user"].id
        messages = self.enqueue(
            3, author_id=[own, self.env.uid, self.env.uid],
            partner_id=[False, self.partner.id, False],
        )  # fmt: skip
        seen = self.env["sms.gateway.message"].search([("id", "in", messages.ids)])
        for role, count in (("user", 2), ("manager", 3), ("administrator", 3)):
            with self.subTest(role):
                found = seen.with_user(self.users[role]).search(
                    [("id", "in", messages.ids)]
                )
                self.assertEqual(len(found), count)
        with self.assertRaises(AccessError):
            messages[2].with_user(self.users["user"]).read(["body"])
        with self.assertRaises(AccessError):
            messages[2].with_user(self.users["user"]).action_cancel()
        messages[2].with_user(self.users["manager"]).action_cancel()

    def test_companies(self):
        """Nobody sees gateways, texts, events and attempts of another company."""
        self.gateway.company_id = self.env.company
        message = self.enqueue()
        event = self.env["sms.gateway.event"].create(
            {"gateway_id": self.gateway.id, "event_key": "k", "kind": "report"}
        )
        attempt = self.env["sms.gateway.attempt"].create({"message_id": message.id})
        sandbox = self.make_gateway(
            code="sandbox", name="Sandbox", company_id=self.env.company.id
        )
        rule = self.env["sms.gateway.sandbox.rule"].create({"gateway_id": sandbox.id})
        self.env.flush_all()
        for record in (self.gateway, message, event, attempt, rule):
            with self.subTest(record._name):
                model = record.with_user(self.stranger)
                self.assertFalse(model.search([("id", "=", record.id)]))
                with self.assertRaises(AccessError):
                    model.read(
                        ["id", "create_date"] if record._log_access else ["state"]
                    )
                if MATRIX[record._name]["administrator"] not in ("r", ""):
                    with self.assertRaises(AccessError):
                        model.write({"id": record.id})

    def test_nobody_writes_the_record(self):
        """T21: neither a manager nor an administrator rewrites what happened."""
        message = self.enqueue()
        attempt = self.env["sms.gateway.attempt"].create({"message_id": message.id})
        event = self.env["sms.gateway.event"].create(
            {"gateway_id": self.gateway.id, "event_key": "k", "kind": "report"}
        )
        for role in ("user", "manager", "administrator", "system"):
            user = self.users[role]
            for record, values in (
                (message, {"state": "delivered"}),
                (message, {"body": "Other"}),
                (message, {"external_ref": "R"}),
                (message, {"author_id": user.id}),
                (attempt, {"state": "sent"}),
                (event, {"report_state": "delivered"}),
                (event, {"body": "Other"}),
            ):
                with self.subTest(role=role, model=record._name, values=values):
                    with self.assertRaises(AccessError):
                        record.with_user(user).write(values)
            for record in (message, attempt, event):
                with self.subTest(role=role, delete=record._name):
                    with self.assertRaises(AccessError):
                        record.with_user(user).unlink()
                with self.subTest(role=role, create=record._name):
                    with self.assertRaises(AccessError):
                        record.with_user(user).create({"gateway_id": self.gateway.id})

    def test_administrator_makes_a_gateway(self):
        """An administrator without system rights makes a gateway that works."""
        user = self.users["administrator"]
        gateway = (
            self.env["sms.gateway"]
            .with_user(user)
            .create({"name": "Made by administrator", "code": "testing"})
        )
        gateway.state = "enabled"
        gateway.action_resume()
        gateway.action_send_now()
        self.assertTrue(gateway.sudo().webhook_token)
        self.assertTrue(gateway.sudo().cron_id.active)
        with self.assertRaises(AccessError):
            gateway.testing_key = "mine"

    def test_portal_and_contacts(self):
        """What the hub adds to contacts and chatters is closed to portal users."""
        portal = self.users["portal"]
        self.enqueue(partner_id=portal.partner_id.id)
        mail_message = portal.partner_id.message_post(
            body="Hello",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=portal.partner_id.ids,
        )
        mail_message.with_user(portal).read()
        for name in ("sms_gateway_message_ids", "sms_gateway_message_count"):
            with self.subTest(name), self.assertRaises(AccessError):
                portal.partner_id.with_user(portal).read([name])

    def test_store_for_portal(self):
        """Costs, numbers and gateways do not travel to the portal's chatter."""
        mail_message = self.partner.message_post(
            body="Hello", message_type="sms", subtype_xmlid="mail.mt_comment"
        )
        self.enqueue(mail_message_id=mail_message.id, partner_id=self.partner.id)
        self.env.flush_all()
        for role, shown in (("portal", False), ("public", False), ("user", True)):
            with self.subTest(role):
                user = self.users[role]
                record = mail_message.with_user(user).sudo()
                store = Store(bus_channel=user)
                store.add(record)
                text = json.dumps(store.get_result(), default=str)
                self.assertEqual("gateway_name" in text, shown, role)
                self.assertEqual(NUMBERS[0] in text, shown, role)


@tagged("post_install", "-at_install")
class TestSecrets(SecurityMixin, SmsGatewayCase):
    """T9: no way to a secret for who is no system administrator."""

    def each(self):
        for role in ("public", "portal", *self.insiders):
            for name in SECRET_FIELDS:
                yield role, name, self.gateway.with_user(self.users[role])

    def test_fields_are_guarded(self):
        """Every field that looks like a secret is for the system group alone."""
        pattern = re.compile("token|secret|key|password|digest|webhook_.*_url")
        for name, field in self.env["sms.gateway"]._fields.items():
            if pattern.search(name) and name != "webhook_base_url":
                with self.subTest(name):
                    self.assertEqual(field.groups, "base.group_system")
                    if field.store and not field.compute:
                        self.assertFalse(field.copy, "secrets are not copied")
        self.assertEqual(
            self.env["sms.gateway.event"]._fields["raw"].groups,
            "sms_gateway_hub.group_administrator",
        )

    @mute_logger("odoo.models", "odoo.addons.base.models.ir_model")
    def test_no_way(self):
        """Read, search, order, group, export, write: each is refused, silently."""
        ways = {
            "read": lambda g, name: g.read([name]),
            "search_read": lambda g, name: g.search_read([], [name]),
            "web_read": lambda g, name: g.web_read({name: {}}),
            "web_search_read": lambda g, name: g.web_search_read([], {name: {}}),
            "attribute": lambda g, name: g[name],
            "mapped": lambda g, name: g.mapped(name),
            "search": lambda g, name: g.search([(name, "=like", "K%")]),
            "negated search": lambda g, name: g.search([("!"), (name, "!=", False)]),
            "order": lambda g, name: g.search([], order=f"{name} desc"),
            "group": lambda g, name: g.formatted_read_group([], [name], ["__count"]),
            "aggregate": lambda g, name: g.formatted_read_group(
                [], [], [f"{name}:array_agg"]
            ),
            "export": lambda g, name: self.exported(g, name),
            "write": lambda g, name: g.write({name: "mine"}),
            "from messages": lambda g, name: g.env["sms.gateway.message"].search(
                [(f"gateway_id.{name}", "=like", "K%")]
            ),
            "group of messages": lambda g, name: g.env[
                "sms.gateway.message"
            ].formatted_read_group([], [f"gateway_id.{name}"], ["__count"]),
        }
        self.enqueue()
        self.env.flush_all()
        for role, name, gateway in self.each():
            for way, walk in ways.items():
                with self.row(f"{role} {name} by {way}"):
                    gateway.invalidate_recordset()
                    with self.assertRaises(UserError) as caught:
                        walk(gateway, name)
                    for value in (KEY, SECRET, self.gateway.webhook_token):
                        self.assertNotIn(value, str(caught.exception))

    def exported(self, gateway, name):
        data = gateway.export_data([name])
        # Core exports an empty cell for what one may not read.
        if not any(cell for row in data["datas"] for cell in row):
            raise UserError(self.env._("Nothing was exported."))

    def test_not_listed(self):
        """The fields are not even named to who may not read them."""
        for role in self.insiders:
            with self.subTest(role):
                listed = (
                    self.env["sms.gateway"].with_user(self.users[role]).fields_get()
                )
                self.assertFalse(set(SECRET_FIELDS) & set(listed))

    def test_not_in_the_form(self):
        """The views that these users get do not hold them."""
        for role in self.insiders:
            with self.subTest(role):
                gateways = self.env["sms.gateway"].with_user(self.users[role])
                views = gateways.get_views(
                    [(False, v) for v in ("form", "list", "kanban")]
                )
                for view in views["views"].values():
                    for name in SECRET_FIELDS:
                        self.assertNotIn(f'name="{name}"', view["arch"])

    def test_system(self):
        """A system administrator can read and set them."""
        gateway = self.gateway.with_user(self.users["system"])
        gateway.testing_key = "NEW"
        self.assertEqual(gateway.testing_key, "NEW")
        self.assertIn(gateway.webhook_token, gateway.webhook_status_url)

    def test_redacted_values(self):
        """What logs must not show is each system-only text of the gateway."""
        values = self.gateway._get_adapter()._get_redacted_values(self.gateway)
        self.assertLessEqual(
            {KEY, SECRET, self.gateway.webhook_token, self.gateway.webhook_digest},
            values,
        )

    def test_not_in_the_chatter(self):
        """A changed secret leaves no trace in the gateway's chatter or the log."""
        with LogLines("odoo") as lines:
            self.gateway.with_user(self.users["system"]).write(
                {"testing_key": "ANOTHER-KEY-1", "state": "test"}
            )
            self.env.flush_all()
        self.assertNotIn("ANOTHER-KEY-1", lines.text(logging.INFO))
        for message in self.gateway.message_ids:
            self.assertNotIn("KEY", str(message.body))
            for value in message.sudo().tracking_value_ids:
                self.assertNotIn("KEY", value.new_value_char or "")

    def test_raw_events(self):
        """Managers see events, but not the bytes of callbacks."""
        event = self.env["sms.gateway.event"].create(
            {
                "gateway_id": self.gateway.id,
                "event_key": "k",
                "kind": "unreadable",
                "raw": b"cmF3",
            }
        )
        with self.assertRaises(AccessError):
            event.with_user(self.users["manager"]).read(["raw"])
        self.assertTrue(event.with_user(self.users["administrator"]).raw)

    def test_no_equals_on_secrets(self):
        """T3: secrets are compared in constant time, also those that are not ASCII."""
        self.assertTrue(webhook.secrets_equal("é", "é"))
        for given, expected in (
            ("", ""), (None, None), ("", None), ("a", ""), (None, "a"), ("é", "e"),
            (b"\xff", "a"), ("a", "A"), ("\udcff", "a"),
        ):  # fmt: skip
            with self.subTest(given=given, expected=expected):
                self.assertFalse(webhook.secrets_equal(given, expected))


@tagged("post_install", "-at_install")
class TestPublicMethods(RpcMixin, SecurityMixin, HttpCase):
    """T10: what can be called from outside, by whom."""

    def rpc(self, role, model, method, *args, context=None):
        """Call a method as the web client of a role does.

        :return: (result, name of the error)
        """
        login = self.users[role].login
        self.authenticate(login, f"{login}_password")
        answer = self.post_rpc(model, method, args, {"context": context or {}}).json()
        self.env.invalidate_all()
        error = answer.get("error")
        return answer.get("result"), error and error["data"]["name"]

    def make_conversation(self):
        """Make a conversation with the contact that is an administrator's."""
        key = NUMBERS[0], self.env.company.id
        conversation = self.env["sms.conversation"]._get_many([key])[key]
        conversation.write(
            {
                "partner_id": self.partner.id,
                "user_id": self.env.ref("base.user_admin").id,
                "state": "to_answer",
                "last_at": "2026-01-01 12:00:00",
            }
        )
        return conversation

    def test_conversations_of_others(self):
        """T10: neither strangers nor visitors do anything with a conversation."""
        conversation = self.make_conversation()
        unknown = self.env["sms.conversation"]._get_many(
            [(NUMBERS[1], self.env.company.id)]
        )[NUMBERS[1], self.env.company.id]
        unknown.user_id = self.env.ref("base.user_admin")
        self.env.flush_all()
        calls = {
            "action_answer": ("Yes",),
            "action_close": (),
            "action_open_document": (),
            "action_take": (),
            "get_thread": (),
            "read": (["last_body"],),
            "write": ({"user_id": False},),
        }
        strangers = [
            (self.users["public"], conversation),
            (self.users["portal"], conversation),
            (self.stranger, conversation),
            # Without a contact it is for its owner and managers.
            (self.users["user"], unknown),
        ]
        for user, record in strangers:
            for method, args in calls.items():
                with self.row(f"{user.name} {method}"):
                    with self.assertRaises(AccessError):
                        getattr(record.with_user(user), method)(*args)
                    self.assertFalse(self.messages_of())
                    self.assertEqual(record.user_id, self.env.ref("base.user_admin"))

    def test_public_methods(self):
        """Each public method is refused to who has no right on its record."""
        message = self.enqueue()
        event = self.env["sms.gateway.event"].create(
            {"gateway_id": self.gateway.id, "event_key": "k", "kind": "report"}
        )
        self.force(message, state="failed")
        incoming = self.enqueue(uuid="e" * 32)
        self.force(incoming, direction="incoming", state="received")
        broadcast = self.env["sms.broadcast"].create(
            {"name": "Broadcast", "body": "Hello", "company_id": self.env.company.id}
        )
        conversation = self.make_conversation()
        pull = self.make_gateway(code="testing_pull", name="Phones")
        device = self.env["sms.gateway.device"].create(
            {"name": "Front desk", "gateway_id": pull.id}
        )
        phone_secrets = device.token, device.secret
        coverage = self.env["sms.gateway.coverage"].create(
            {"gateway_id": self.gateway.id, "number": NUMBERS[0]}
        )
        erase = self.env["sms.erase"].create({"number": NUMBERS[9], "reason": "x"})
        link = self.env["sms.reply.link"]._get_for(
            conversation, self.env.ref("base.user_admin")
        )
        self.env.flush_all()
        everybody = ("user", "manager", "administrator", "system")
        calls = {
            "sms.gateway": {
                name: (self.gateway, ("administrator", "system"))
                for name in (
                    "action_resume",
                    "action_send_now",
                    "action_test_connection",
                    "action_update_balance",
                    "action_renew_webhook_token",
                )
            },
            "sms.gateway.event": {
                "action_replay": (event, ("administrator", "system"))
            },
            "sms.gateway.device": {
                name: (device, ("administrator", "system"))
                for name in (
                    "action_renew_token",
                    "action_renew_secret",
                    "action_give_up",
                )
            },
            "sms.gateway.coverage": {
                "action_check": (coverage, ("administrator", "system"))
            },
            "sms.gateway.message": {
                name: (message, ("manager", "administrator", "system"))
                for name in ("action_ask_gateway", "action_cancel", "action_send_again")
            }
            | {
                name: (incoming, ("manager", "administrator", "system"))
                for name in ("action_opt_out", "action_not_opt_out")
            },
            "sms.broadcast": {
                name: (broadcast, ("manager", "administrator", "system"))
                for name in (
                    "action_cancel",
                    "action_check",
                    "action_clear_selection",
                    "action_draft",
                    "action_open_messages",
                    "action_open_selection",
                    "action_pause",
                    "action_resume",
                    "action_send_test",
                    "action_start",
                )
            },
            "sms.reply.link": {
                "action_revoke": (link, ("manager", "administrator", "system"))
            },
            "sms.erase": {"action_erase": (erase, ("administrator", "system"))},
            # Somebody else's, with a contact: seen and answered by every user.
            "sms.conversation": {
                "action_answer": (conversation, everybody, "Yes"),
                "action_open_document": (conversation, everybody),
                "get_thread": (conversation, everybody),
                "action_close": (conversation, everybody[1:]),
                "action_take": (conversation, everybody[1:]),
            },
        }
        token = self.gateway.webhook_token
        seen = self.env["sms.consent"].search([])
        for model, methods in calls.items():
            for method, (record, allowed, *args) in methods.items():
                for role in self.users:
                    with self.row(f"{role} {model} {method}"):
                        if record.is_transient():
                            # An open form is its user's alone.
                            self.force(record, create_uid=self.users[role].id)
                        with mute_logger("odoo.http"):
                            _result, error = self.rpc(
                                role, model, method, record.ids, *args
                            )
                        if role in allowed:
                            self.assertNotEqual(error, "odoo.exceptions.AccessError")
                        else:
                            self.assertEqual(error, "odoo.exceptions.AccessError")
                            self.assertEqual(self.gateway.webhook_token, token)
                            self.assertEqual(
                                (device.token, device.secret), phone_secrets
                            )
                            self.assertTrue(device.active)
                            self.assertFalse(link.revoked_at)
                            self.assertEqual(len(self.messages_of()), 2)
                            self.assertEqual(broadcast.state, "draft")
                            self.assertEqual(conversation.state, "to_answer")
                            self.assertFalse(self.env["sms.consent"].search([]) - seen)

    def test_every_public_method_is_known(self):
        """A new public method of the hub gets a row in the test above, or here."""
        known = {
            "sms.gateway": {
                "action_resume", "action_send_now", "action_test_connection",
                "action_update_balance", "action_renew_webhook_token",
                "action_open_messages", "action_open_devices",
            },
            "sms.gateway.device": {
                "action_give_up", "action_renew_secret", "action_renew_token",
                # Opens a list of what one may read.
                "action_open_messages",
            },
            "sms.gateway.coverage": {"action_check"},
            "sms.gateway.message": {
                "action_ask_gateway", "action_cancel", "action_send_again",
                "action_open_document",
                "get_chatter_data", "action_opt_out", "action_not_opt_out",
                "action_not_this_person", "action_open_conversation",
            },
            "sms.gateway.event": {"action_replay"},
            "sms.broadcast": {
                "action_cancel", "action_check", "action_clear_selection",
                "action_draft", "action_open_messages", "action_open_selection",
                "action_pause", "action_resume", "action_send_test", "action_start",
                # Reads lines that the broadcast holds itself.
                "action_open_line",
            },
            "sms.conversation": {
                "action_answer", "action_close", "action_not_this_person",
                "action_open_document", "action_reassign", "action_take", "get_thread",
            },
            # Tested with the models themselves, as each role.
            "sms.conversation.contact": {"action_apply"},
            "sms.conversation.reassign": {"action_reassign"},
            "sms.log": {"action_log"},
            "sms.reply.link": {"action_revoke"},
            "mail.activity": {"action_sms_gateway_send_now"},
            # Opens what its broadcast's reader may read.
            "sms.broadcast.recipient": {"action_open_record"},
            # Tested with the models themselves, as each role.
            "sms.consent.record": {"action_record"},
            "sms.erase": {"action_erase"},
            "sms.composer": {"action_send_sms", "action_sms_gateway_send_mass"},
            "res.partner.mobile": {
                "action_ask_hand_over", "action_register", "action_take_over",
            },
            "res.partner": {
                "action_open_sms_conversations", "action_open_sms_gateway_messages",
                "action_sms_gateway_ask_consent",
                "action_sms_gateway_compose", "action_sms_gateway_record_consent",
            },
        }  # fmt: skip
        for name, model in self.env.registry.items():
            own = {
                method
                for cls in model.__mro__
                if "sms_gateway_hub" in cls.__module__
                for method, value in vars(cls).items()
                if callable(value)
                and not method.startswith("_")
                and not hasattr(self.env.registry["base"], method)
            }
            with self.subTest(name):
                self.assertEqual(own, known.get(name, set()))

    def test_forms_are_private(self):
        """What somebody is about to do is nobody else's to see or to change."""
        values = {"number": NUMBERS[0], "body": "Between us"}
        form = self.env["sms.log"].with_user(self.users["user"]).create(values)
        form.body = "Mine"
        self.env.flush_all()
        for role in ("manager", "administrator", "system"):
            with self.row(role):
                other = form.with_user(self.users[role])
                self.assertFalse(other.search([("id", "=", form.id)]))
                with self.assertRaises(AccessError):
                    other.read(["body"])
                with self.assertRaises(AccessError):
                    other.body = "Yours"

    def test_private_methods(self):
        """What has no check of its own cannot be called from outside."""
        for model, method, args in (
            ("sms.gateway.sender", "_cron_send", [self.gateway.id]),
            ("sms.gateway.message", "_enqueue", [[]]),
            ("sms.gateway.message", "_set_state", [[1], "sent"]),
            ("sms.gateway.event", "_cron_apply", []),
            ("sms.gateway.event", "_store", [self.gateway.id, []]),
            ("sms.conversation", "_answer", [[1], "Yes"]),
            ("sms.conversation", "_reassign", [[1], 1]),
            ("sms.conversation", "_cron_close", []),
            ("sms.gateway.message", "_receive", [self.gateway.id, {}]),
            ("sms.gateway.adapter.testing", "_get_redacted_values", [self.gateway.id]),
        ):
            with self.row(f"{model} {method}"), mute_logger("odoo.http"):
                _result, error = self.rpc("system", model, method, *args)
                self.assertEqual(error, "odoo.exceptions.AccessError")

    def test_chatter_data(self):
        """The chatter's figures come with chatter messages that one may read."""
        private = self.env["res.partner"].create(
            {"name": "Of another company", "company_id": self.other_company.id}
        )
        mails = [
            partner.message_post(body="x", message_type="sms").id
            for partner in (self.partner, private)
        ]
        self.enqueue(2, mail_message_id=mails)
        self.env.flush_all()
        result, error = self.rpc(
            "user", "sms.gateway.message", "get_chatter_data", mails
        )
        self.assertFalse(error)
        text = json.dumps(result)
        self.assertIn(NUMBERS[0], text)
        self.assertNotIn(NUMBERS[1], text)
        with mute_logger("odoo.http"):
            result, error = self.rpc(
                "portal", "sms.gateway.message", "get_chatter_data", mails
            )
        self.assertNotIn(NUMBERS[0], json.dumps(result))

    def text(self, role, **context):
        """Text a contact by RPC as a client does that sends what it likes."""
        values = context.pop("values", {})
        context = {
            "default_composition_mode": "comment",
            "default_res_model": "res.partner",
            "default_res_id": self.partner.id,
            **context,
        }
        with mute_logger("odoo.http"):
            result, error = self.rpc(
                role, "sms.composer", "create", {"body": "x", **values}, context=context
            )
            if not error:
                composer = result if isinstance(result, int) else result[0]
                _result, error = self.rpc(
                    role, "sms.composer", "action_send_sms", [composer], context=context
                )
        return error

    def test_foreign_gateway(self):
        """T6: nobody sends through the gateway of another company."""
        foreign = self.make_gateway(name="Foreign", company_id=self.other_company.id)
        for label, kwargs in (
            ("as a field", {"values": {"sms_gateway_id": foreign.id}}),
            (
                "smuggled into the context",
                {"sms_gateway_options": {"sms_gateway_id": foreign.id}},
            ),
        ):
            with self.row(label):
                error = self.text("user", **kwargs)
                self.assertEqual(error, "odoo.exceptions.AccessError")
                self.assertFalse(self.messages_of())

    def test_forged_author(self):
        """Nobody texts in another one's name."""
        with self.row("forged"):
            options = {"sms_gateway_author_id": self.users["manager"].id}
            self.text("system", sms_gateway_options=options)
            self.assertEqual(self.messages_of().author_id, self.users["system"])

    def test_portal_texts_nobody(self):
        """Portal users have no composer."""
        with self.row("portal"):
            self.assertEqual(self.text("portal"), "odoo.exceptions.AccessError")
            self.assertFalse(self.messages_of())


@tagged("post_install", "-at_install")
class TestNeutralize(SmsGatewayCase):
    """T19: a copy of the database texts nobody."""

    gateway_values = GATEWAY

    def test_neutralize(self):
        """Gateways are off, addresses and secrets are gone, the sandbox stays."""
        from odoo.modules.neutralize import get_neutralization_queries

        sandbox = self.make_gateway(code="sandbox", name="Sandbox")
        self.env.flush_all()
        for query in get_neutralization_queries(
            ["sms_gateway_hub", "sms_gateway_testing"]
        ):
            self.env.cr.execute(query)
        self.env.invalidate_all()
        self.assertFields(
            self.gateway,
            {
                "state": "disabled",
                "webhook_token": False,
                "webhook_digest": False,
                "testing_key": False,
                "testing_secret": False,
            },
        )
        self.assertEqual(sandbox.state, "enabled")
        self.assertFalse(self.gateway._get_webhook_url("status"))

    def test_no_token_no_door(self):
        """A gateway without a token has no address: not the empty one either."""
        self.gateway.webhook_token = False
        self.assertFalse(self.gateway.webhook_digest)
        self.assertFalse(self.gateway._get_webhook_url("status"))
        self.assertNotEqual(webhook.token_digest(""), self.gateway.webhook_digest)
