# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T9, T10: everything that can be called from outside, by everybody who may log in.

What there is to call is read from the registry: a method or a model that an addon adds
is called from its first day on. What it may do is one table.
"""

import inspect
import json
import logging
from datetime import timedelta

from odoo import fields
from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tools import SQL, mute_logger

from .common import NUMBERS
from .http_common import RpcMixin
from .test_security import MATRIX, SecurityMixin

_logger = logging.getLogger(__name__)

MARK = "MARK-OF-THE-TEST"
KEY_MARK = "NOBODY-MAY-SEE"  # of KEY and SECRET
OURS = "odoo.addons.sms_gateway_"
# Addons of tests open doors on purpose.
DOORS_OF_TESTS = ("sms_gateway_drill", "sms_gateway_bench")
MUTED = (
    "odoo.http", "odoo.models", "odoo.sql_db", "odoo.orm.models", "odoo.domains",
    "odoo.addons.base.models.ir_rule", "odoo.addons.rpc.controllers.json2",
    "odoo.addons.base.models.ir_model",
    "odoo.addons.base.models.ir_model_access", "odoo.addons.base.models.ir_attachment",
)  # fmt: skip

# What Odoo gives every model to everybody, and the operation that it needs: one letter
# of the table of test_security, or None for what tells of no record.
CORE_METHODS = {
    "action_archive": "w", "copy": "c", "create": "c",
    "default_get": None, "export_data": "r", "fields_get": None,
    "formatted_read_group": "r", "get_field_translations": "r", "get_metadata": "r",
    "get_views": None, "load": "c", "name_create": "c", "name_search": "r",
    "onchange": None, "read": "r", "read_group": "r", "search": "r",
    "search_count": "r", "search_read": "r", "unlink": "u",
    "update_field_translations": "w", "web_name_search": "r", "web_read": "r",
    "web_read_group": "r", "web_resequence": "w", "web_save": "w",
    "web_search_read": "r", "write": "w",
}  # fmt: skip

# What a plain user of the company may do to the contact's texts and conversations, and
# with contacts; a manager may do whatever is not only for administrators. Everything
# else must not change a row.
USER_MAY = {
    "mail.activity": {"action_sms_gateway_send_now"},
    "res.partner": {
        "action_open_sms_conversations", "action_open_sms_gateway_messages",
        "action_sms_gateway_ask_consent", "action_sms_gateway_compose",
        "action_sms_gateway_record_consent",
    },
    "res.partner.mobile": {
        "action_ask_hand_over", "action_register", "action_take_over",
    },
    "sms.composer": {"action_send_sms", "action_sms_gateway_send_mass"},
    "sms.consent.record": {"action_record"},
    "sms.conversation": {
        "action_answer", "action_not_this_person", "action_open_document",
        "action_reassign", "get_thread",
    },
    "sms.conversation.contact": {"action_apply"},
    "sms.conversation.reassign": {"action_reassign"},
    "sms.gateway": {"action_open_messages", "action_open_devices"},
    "sms.gateway.device": {"action_open_messages"},
    "sms.gateway.message": {
        "action_ask_gateway", "action_cancel", "action_not_opt_out",
        "action_not_this_person", "action_open_conversation", "action_open_document",
        "action_opt_out", "action_send_again", "get_chatter_data",
    },
    "sms.log": {"action_log"},
}  # fmt: skip
# Employees of another company: a plain one, and one who administers gateways there.
FOREIGNERS = ("foreign", "stranger")
# They answer what is wrong, or nothing, instead of failing.
SILENT = ("load", "name_create", "web_resequence")
# By the second door, where each call takes a key to be checked, the rest is the same
# code.
BY_KEY = {
    "create", "export_data", "read", "search_read", "unlink", "web_save", "write",
}  # fmt: skip
ARGUMENTS = {
    "action_answer": {"body": "From outside"},
    "action_open_line": {"key": "reason/opted_out"},
    "copy_data": {},
}


@tagged("post_install", "-at_install")
class TestDoors(RpcMixin, SecurityMixin, HttpCase):
    """Every public method of every model of the addons, by RPC, as each role."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner.write({"name": f"Ada {MARK}", "company_id": cls.env.company.id})
        cls.gateway.company_id = cls.env.company
        cls.users["stranger"] = cls.stranger
        cls.stranger.password = "sms_stranger_password"
        cls.users["foreign"] = cls.env["res.users"].create(
            {
                "name": "Foreign",
                "login": "sms_foreign",
                "password": "sms_foreign_password",
                "group_ids": [Command.set(cls.env.ref("base.group_user").ids)],
                "company_id": cls.other_company.id,
                "company_ids": [Command.set(cls.other_company.ids)],
            }
        )
        cls.keys = {
            role: cls.env["res.users.apikeys"]
            .with_user(cls.users[role])
            .sudo()
            ._generate("rpc", "test", fields.Datetime.now() + timedelta(days=1))
            for role in ("portal", "foreign", "stranger", "user", "manager")
        }

    def setUp(self):
        super().setUp()
        self.records = self.make_records()
        # What is written with the commit, such as tracked values, is no call's doing.
        self.env.cr.flush()

    def make_records(self):
        """Make one record of each model, all of one company, with words to look for.

        :return: dict of model name -> record
        """
        company, number = self.env.company, NUMBERS[0]
        pull = self.make_gateway(
            code="testing_pull", name=f"Phones {MARK}", company_id=company.id
        )
        message = self.enqueue(partner_id=self.partner.id, body=f"Hello {MARK}")
        conversation = self.env["sms.conversation"]._get_many([(number, company.id)])
        conversation = conversation[number, company.id]
        conversation.write(
            {
                "partner_id": self.partner.id,
                "user_id": self.env.ref("base.user_admin").id,
                "state": "to_answer",
                "last_at": fields.Datetime.now(),
                "last_body": MARK,
            }
        )
        broadcast = self.env["sms.broadcast"].create(
            {"name": MARK, "body": MARK, "company_id": company.id}
        )
        values = {
            "sms.gateway.event": {
                "gateway_id": self.gateway.id, "event_key": "k", "kind": "report",
                "body": MARK, "number": number, "raw": b"TUFSSw==",
            },
            "sms.gateway.attempt": {"message_id": message.id, "excerpt": MARK},
            "sms.gateway.sandbox.rule": {
                "gateway_id": self.gateway.id, "text_contains": MARK,
            },
            "sms.gateway.device": {"name": MARK, "gateway_id": pull.id},
            "sms.gateway.coverage": {"gateway_id": self.gateway.id, "number": number},
            "sms.gateway.rate": {"key": "caller/0"},
            # Erased numbers count for all companies; only administrators see the list.
            "sms.suppression": {"digest": "d" * 64, "note": "as asked"},
            "sms.keyword": {
                "word": "zzyzx", "family": "help", "answer": MARK,
                "company_id": company.id,
            },
            "sms.gateway.holiday": {
                "name": MARK, "date": "2030-01-01", "company_id": company.id,
            },
            "sms.broadcast.recipient": {
                "broadcast_id": broadcast.id, "check_run": 1, "res_id": 1,
                "number": number,
            },
            "sms.broadcast.progress": {"broadcast_id": broadcast.id},
            "sms.assignment.rule": {
                "name": MARK, "company_id": company.id,
                "user_id": self.env.ref("base.user_admin").id,
            },
            "sms.reply.link": {
                "conversation_id": conversation.id,
                "user_id": self.env.ref("base.user_admin").id,
                "expires_at": fields.Datetime.now() + timedelta(days=1),
            },
            "res.partner.mobile": {
                "partner_id": self.partner.id, "number": NUMBERS[1],
            },
            "sms.assignment.try": {
                "number": number, "body": MARK, "gateway_id": self.gateway.id,
            },
            "sms.erase": {"number": number, "reason": MARK},
            "sms.conversation.reassign": {
                "conversation_ids": [Command.set(conversation.ids)],
                "user_id": self.env.ref("base.user_admin").id,
            },
            "sms.conversation.contact": {
                "conversation_id": conversation.id, "choice": "contact",
            },
            "sms.log": {"res_model": "res.partner", "res_id": self.partner.id},
            "sms.consent.record": {
                "partner_ids": [Command.set(self.partner.ids)], "act": "opted_out",
            },
        }  # fmt: skip
        records = {
            "res.partner": self.partner,
            "sms.gateway": self.gateway,
            "sms.gateway.message": message,
            "sms.conversation": conversation,
            "sms.broadcast": broadcast,
            "sms.consent": self.env["sms.consent"]._record(
                number,
                "opted_in",
                partner_id=self.partner.id,
                company_id=company.id,
                wording=MARK,
            ),
        }
        for model, vals in values.items():
            known = {n: v for n, v in vals.items() if n in self.env[model]._fields}
            records[model] = self.env[model].create(known)
        return records

    # -- What there is to call ------------------------------------------------

    def own_methods(self):
        """Yield (model, method) for what the addons open beside Odoo's own."""
        base = self.env.registry["base"]
        for name, model in sorted(self.env.registry.items()):
            methods = {
                method
                for cls in model.__mro__
                if cls.__module__.startswith(OURS)
                and cls.__module__.split(".")[2] not in DOORS_OF_TESTS
                for method, value in vars(cls).items()
                if callable(value)
                and not method.startswith("_")
                and not hasattr(base, method)
            }
            for method in sorted(methods):
                yield name, method

    def own_models(self):
        return [
            name
            for name, model in sorted(self.env.registry.items())
            if (model._original_module or "").startswith("sms_gateway_")
            and model._original_module not in DOORS_OF_TESTS
            and not model._abstract
        ]

    def arguments(self, model, method):
        """Return what a method is called with beside ids, as keywords."""
        known = self.env[model]._fields
        names = [
            name
            for name, field in known.items()
            if field.type not in ("one2many", "many2many", "reference")
        ]
        char = next(
            name
            for name in ("name", "body", "word", "note", "number", "detail", "id")
            if name in known
        )
        stored = known[char].store and char != "id"
        return {
            "create": {"vals_list": [{char: "x"}]},
            "copy": {},
            "default_get": {"fields": names},
            "export_data": {"fields_to_export": names},
            "fields_get": {},
            "formatted_read_group": {
                "domain": [],
                "groupby": [char] if stored else [],
                "aggregates": ["__count"],
            },
            "get_field_translations": {"field_name": char},
            "get_views": {"views": [[False, "form"], [False, "list"]]},
            "load": {"fields": [char], "data": [["x"]]},
            "name_create": {"name": "x"},
            "name_search": {"name": ""},
            "onchange": {
                "values": {},
                "field_names": [],
                "fields_spec": {name: {} for name in names},
            },
            "read": {"fields": None},
            "read_group": {
                "domain": [],
                "fields": [],
                "groupby": [char] if stored else [],
            },
            "search": {"domain": []},
            "search_count": {"domain": []},
            "search_read": {"domain": []},
            "update_field_translations": {
                "field_name": char,
                "translations": {"en_US": "x"},
            },
            "web_name_search": {"name": "", "specification": {"display_name": {}}},
            "web_read": {"specification": {"id": {}, char: {}, "display_name": {}}},
            "web_read_group": {
                "domain": [],
                "groupby": [char] if stored else ["id"],
                "aggregates": ["__count"],
            },
            "web_resequence": {"specification": {}, "field_name": "sequence"},
            "web_save": {"vals": {char: "x"}, "specification": {}},
            "web_search_read": {"domain": [], "specification": {char: {}}},
            "write": {"vals": {char: "x"}},
            "get_chatter_data": {"mail_message_ids": self.partner.message_ids.ids},
        }.get(method, ARGUMENTS.get(method, {}))

    def calls(self):
        """Yield (model, method, letter), the letter as in CORE_METHODS or "own"."""
        for model in self.own_models():
            for method, letter in CORE_METHODS.items():
                if (
                    method == "action_archive"
                    and "active" not in self.env[model]._fields
                ):
                    # Odoo's own assertion, for want of the field.
                    continue
                yield model, method, letter
        for model, method in self.own_methods():
            yield model, method, "own"

    # -- Calling ----------------------------------------------------------------

    def call_kw(self, model, method, kwargs):
        """Call by the web client's door, as whoever is logged in.

        :return: (text of the answer, name of the error or None)
        """
        args = [self.records.get(model, self.partner).ids]
        if self.is_model_method(model, method):
            args = []
        answer = self.post_rpc(model, method, args, kwargs)
        self.assertEqual(answer.status_code, 200)
        error = answer.json().get("error")
        return answer.text, error and (
            error["data"]["name"] if error["code"] == 0 or error["code"] == 200
            else str(error["code"])
        )  # fmt: skip

    def call_json2(self, role, model, method, kwargs):
        """Call by the door for programs, with the role's key.

        :return: (text of the answer, HTTP status)
        """
        ids = {} if self.is_model_method(model, method) else {
            "ids": self.records.get(model, self.partner).ids
        }  # fmt: skip
        key = self.keys.get(role)
        answer = self.url_open(
            f"/json/2/{model}/{method}",
            # An empty object would make it a GET.
            data=json.dumps({**ids, **kwargs}),
            headers={
                "Content-Type": "application/json",
                **({"Authorization": f"Bearer {key}"} if key else {}),
            },
        )
        return answer.text, answer.status_code

    def is_model_method(self, model, method):
        return any(
            getattr(getattr(cls, method, None), "_api_model", False)
            for cls in self.env.registry[model].mro()
        )

    def digests(self):
        """Return count and digest of the rows of all tables that a call may touch."""
        self.env.flush_all()
        tables = {self.env[name]._table for name in self.own_models()}
        tables |= {"res_partner", "mail_message", "sms_sms", "phone_blacklist"}
        tables |= {"mail_activity", "ir_config_parameter", "ir_cron", "res_users"}
        found = {}
        for table in sorted(tables):
            self.env.cr.execute(
                SQL(
                    "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t.id)) "
                    "FROM %s AS t",
                    SQL.identifier(table),
                )
            )
            found[table] = self.env.cr.fetchone()
        return found

    def assertUnchanged(self, before, label):
        self.env.invalidate_all()
        now = self.digests()
        changed = {table for table, row in now.items() if before[table] != row}
        self.assertFalse(changed, label)

    def assertHidden(self, text, label, marks=(MARK, KEY_MARK)):
        for mark in marks:
            self.assertNotIn(mark, text, label)
        secrets = (
            self.gateway.webhook_token,
            self.gateway.webhook_digest,
            self.records["sms.gateway.device"].token,
            self.records["sms.gateway.device"].secret,
        )
        for secret in filter(None, secrets):
            self.assertNotIn(secret, text, label)

    # -- Tests --------------------------------------------------------------------

    @mute_logger(*MUTED)
    def test_strangers(self):
        """Visitors, portal users and other companies get and change nothing at all."""
        tried = 0
        for role in ("public", "portal", "foreign", "stranger"):
            login = self.users[role].login
            if role == "public":
                self.authenticate(None, None)
            else:
                self.authenticate(login, f"{login}_password")
            before = self.digests()
            for model, method, letter in self.calls():
                label = f"{role} {model} {method}"
                kwargs = self.arguments(model, method)
                if letter == "own" and model not in self.records and model not in (
                    "mail.activity", "sms.composer", "crm.lead"
                ):  # fmt: skip
                    self.fail(f"{model} has no record in this test")
                if role in FOREIGNERS and not self.is_barred(model, method, letter):
                    # In their own company they may make records of their own.
                    continue
                text, error = self.call_kw(model, method, kwargs)
                tried += 1
                if role == "public":
                    self.assertEqual(error, "100", label)
                self.assertHidden(text, label)
            self.assertUnchanged(before, role)
        _logger.info("S1: %s calls of strangers by call_kw, 0 rows changed", tried)

    def is_barred(self, model, method, letter):
        """Say whether a user of another company changes nothing by a call."""
        return letter != "c" and model not in ("sms.composer", "mail.activity")

    @mute_logger(*MUTED)
    def test_strangers_with_keys(self):
        """The same by the door for programs: refused by a status, never by a 500."""
        tried = 0
        for role in ("public", "portal", "foreign", "stranger"):
            before = self.digests()
            for model, method, letter in self.calls():
                if letter != "own" and method not in BY_KEY:
                    continue
                if role in FOREIGNERS and not self.is_barred(model, method, letter):
                    continue
                label = f"{role} {model} {method}"
                text, status = self.call_json2(
                    role, model, method, self.arguments(model, method)
                )
                tried += 1
                if role == "public":
                    self.assertEqual(status, 401, f"{label}: {text[:600]}")
                self.assertNotEqual(status, 500, f"{label}: {text[:2000]}")
                self.assertHidden(text, label)
            self.assertUnchanged(before, role)
        _logger.info("S1: %s calls of strangers by /json/2, 0 rows changed", tried)

    @mute_logger(*MUTED)
    def test_insiders(self):
        """Users and managers change what the tables let them, and see no secret."""
        tried = 0
        for role in ("user", "manager"):
            login = self.users[role].login
            self.authenticate(login, f"{login}_password")
            before = self.digests()
            for model, method, letter in self.calls():
                label = f"{role} {model} {method}"
                allowed = MATRIX.get(model, {}).get(role, "")
                if letter == "own":
                    may = method in USER_MAY.get(model, ()) or role == "manager"
                else:
                    may = not letter or model not in MATRIX or letter in allowed
                if may and letter in ("c", "u", "w", "own"):
                    continue
                text, error = self.call_kw(model, method, self.arguments(model, method))
                tried += 1
                self.assertHidden(text, label, marks=(KEY_MARK,))
                if letter in ("c", "u", "w") and method not in SILENT:
                    self.assertTrue(error, label)
                elif letter == "r" and not may:
                    self.assertHidden(text, label)
            self.assertUnchanged(before, role)
        _logger.info("S1: %s calls of insiders by call_kw, 0 rows changed", tried)

    def test_nothing_is_left_out(self):
        """What this test calls is all that there is to call."""
        signatures = {}
        for model, method in self.own_methods():
            function = getattr(self.env.registry[model], method)
            parameters = [*inspect.signature(function).parameters.values()][1:]
            required = {p.name for p in parameters if p.default is p.empty}
            given = set(self.arguments(model, method))
            signatures[f"{model} {method}"] = required - given
        self.assertFalse({k: v for k, v in signatures.items() if v})
        self.assertGreater(len(signatures), 60)
        made = {model for model, record in self.records.items() if record}
        self.assertFalse(set(self.own_models()) - made)
