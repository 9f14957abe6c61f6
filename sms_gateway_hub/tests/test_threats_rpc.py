# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T9, T10: everything that can be called from outside, by everybody who may log in.

What there is to call is read from the registry: a method or a model that an addon adds
is called from its first day on. What it may do is one table.

What our addons define is called by both doors. What Odoo gives to each model is called
as the doors do it, one step behind them: they are the same for it, and the calls are
many.
"""

import inspect
import json
import logging
from datetime import timedelta

from odoo import api, fields
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.service.model import call_kw, get_public_method
from odoo.tests import HttpCase, tagged
from odoo.tools import SQL, mute_logger
from odoo.tools.json import json_default

from .common import NUMBERS
from .http_common import RpcMixin
from .test_security import MATRIX, SecurityMixin

_logger = logging.getLogger(__name__)

MARK = "MARK-OF-THE-TEST"
KEY_MARK = "NOBODY-MAY-SEE"  # of KEY and SECRET
OURS = "odoo.addons.sms_gateway_"
ACTIVITY = "mail.mail_activity_data_todo"
# Addons of tests open doors on purpose.
DOORS_OF_TESTS = ("sms_gateway_drill", "sms_gateway_bench")
MUTED = (
    "odoo.http", "odoo.models", "odoo.sql_db", "odoo.orm.models", "odoo.domains",
    "odoo.addons.base.models.ir_rule", "odoo.addons.rpc.controllers.json2",
    "odoo.addons.base.models.ir_model",
    "odoo.addons.base.models.ir_model_access", "odoo.addons.base.models.ir_attachment",
)  # fmt: skip

# What Odoo gives every model to everybody, and the operation that it needs: one letter
# of the table of test_security, "note" for what everybody may do who may read, "mail"
# for what an e-mail does, or None for what tells of no record.
CORE_METHODS = {
    "action_archive": "w", "action_unarchive": "w", "check_access_rights": None,
    "check_access_rule": None, "check_field_access_rights": None, "copy": "c",
    "copy_data": "r", "copy_translations": "w", "create": "c", "default_get": None,
    "export_data": "r", "fields_get": None, "formatted_read_group": "r",
    "formatted_read_grouping_sets": "r", "get_base_url": None,
    "get_empty_list_help": None, "get_external_id": None,
    "get_field_translations": "r", "get_formview_action": None,
    "get_formview_id": None, "get_import_templates": None, "get_metadata": "r",
    "get_property_definition": None, "get_view": None, "get_views": None,
    "has_access": None, "hierarchy_read": "r", "is_transient": None, "load": "c",
    "mail_allowed_qweb_expressions": None, "mail_get_partner_fields": None,
    "name_create": "c", "name_search": "r", "onchange": None, "read": "r",
    "read_group": "r", "read_progress_bar": "r", "search": "r", "search_count": "r",
    "search_panel_select_multi_range": "r", "search_panel_select_range": "r",
    "search_read": "r", "toggle_active": "w", "unlink": "u",
    "update_field_translations": "w", "view_header_get": None, "web_name_search": "r",
    "web_override_translations": "w", "web_read": "r", "web_read_group": "r",
    "web_resequence": "w", "web_save": "w", "web_save_multi": "w",
    "web_search_read": "r", "write": "w",
    # Of models with a chatter and activities.
    "action_reschedule_my_next_nextweek": "w", "action_reschedule_my_next_today": "w",
    "action_reschedule_my_next_tomorrow": "w", "activity_feedback": "w",
    "activity_reschedule": "w", "activity_schedule": "w", "activity_search": "r",
    "activity_send_mail": "w", "activity_unlink": "w", "message_change_thread": "w",
    "message_get_followers": "r", "message_mail_with_source": "w", "message_new": "c",
    "message_notify": "note", "message_parse": None, "message_post": "w",
    "message_post_with_source": "w", "message_process": "mail", "message_route": None,
    "message_subscribe": "w", "message_unsubscribe": "w", "message_update": "w",
    "notify_cancel_by_type": None,
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
# What managers may not: it is for administrators.
FOR_ADMINISTRATORS = {
    "sms.gateway": {
        "action_renew_webhook_token", "action_resume", "action_send_now",
        "action_test_connection", "action_update_balance",
    },
    "sms.gateway.coverage": {"action_check"},
    "sms.gateway.device": {
        "action_give_up", "action_renew_secret", "action_renew_token",
    },
    "sms.gateway.event": {"action_replay"},
    "sms.erase": {"action_erase"},
}  # fmt: skip
# The letters that stand for a change, and all ways to a new record.
CHANGES = ("c", "u", "w", "own", "note")
METHODS_THAT_MAKE = (
    "copy", "load", "message_new", "name_create", "web_save", "web_save_multi",
)  # fmt: skip
STRANGERS = ("public", "portal", "foreign", "stranger")
INSIDERS = ("user", "manager", "administrator")
# Employees of another company: a plain one, and one who administers gateways there.
FOREIGNERS = ("foreign", "stranger")
# They answer what is wrong, or nothing, instead of failing.
SILENT = (
    "action_reschedule_my_next_nextweek", "action_reschedule_my_next_today",
    "action_reschedule_my_next_tomorrow", "activity_feedback", "activity_reschedule",
    "activity_unlink", "action_unarchive", "copy_translations", "load", "name_create",
    "web_override_translations", "web_resequence",
)  # fmt: skip
# Odoo shows every employee who follows a record, whatever its company.
SHOWN_BY_CORE = {"message_get_followers"}
# What an e-mail that comes in leaves, of whatever record.
TABLES_OF_MAILS = {"mail_mail", "mail_message", "mail_notification"}
# Administrators erase a person for all companies, see first what will go, and what
# went. The figures of a broadcast have no name and no company.
FOR_ALL_COMPANIES = ("sms.broadcast.progress", "sms.erase", "sms.suppression")
# Of Odoo's methods, those that go by the second door too, where each call takes a key
# to be checked.
BY_KEY = {
    "create", "export_data", "read", "search_read", "unlink", "web_save", "write",
}  # fmt: skip
TABLES_OF_CORE = (
    "ir_config_parameter",
    "ir_cron",
    "mail_followers",
    "mail_mail",
    "mail_message",
    "mail_notification",
    "phone_blacklist",
    "res_partner",
    "res_users",
    "sms_sms",
)
ARGUMENTS = {
    "action_answer": {"body": "From outside"},
    "action_open_line": {"key": "reason/opted_out"},
    "activity_feedback": {"act_type_xmlids": [ACTIVITY], "only_automated": False},
    "activity_reschedule": {
        "act_type_xmlids": [ACTIVITY], "date_deadline": "2030-01-01",
        "only_automated": False,
    },
    "activity_schedule": {"act_type_xmlid": ACTIVITY, "summary": "x"},
    "activity_search": {"act_type_xmlids": [ACTIVITY], "only_automated": False},
    "activity_unlink": {"act_type_xmlids": [ACTIVITY], "only_automated": False},
    "check_access_rights": {"operation": "write", "raise_exception": False},
    "check_access_rule": {"operation": "write"},
    "check_field_access_rights": {"operation": "read", "field_names": None},
    "get_empty_list_help": {"help_message": "x"},
    "get_views": {"views": [[False, "form"], [False, "list"]]},
    "has_access": {"operation": "read"},
    "message_mail_with_source": {"source_ref": "mail.message_origin_link"},
    "message_parse": {"message": "Subject: x\n\nx"},
    "message_post": {"body": "x"},
    "message_post_with_source": {"source_ref": "mail.message_origin_link"},
    "message_route": {"message": "Subject: x\n\nx", "message_dict": {}},
    "name_create": {"name": "x"},
    "name_search": {"name": ""},
    "notify_cancel_by_type": {"notification_type": "sms"},
    "search": {"domain": []},
    "search_count": {"domain": []},
    "search_read": {"domain": []},
    "view_header_get": {"view_id": False, "view_type": "form"},
    "web_name_search": {"name": "", "specification": {"display_name": {}}},
    "web_resequence": {"specification": {}, "field_name": "sequence"},
}  # fmt: skip
# What must be another one in a second record.
SECOND = {
    "res.partner.mobile": {"number": NUMBERS[2]},
    "sms.gateway.holiday": {"date": "2030-01-02"},
    "sms.keyword": {"word": "zzyzy"},
}


@tagged("post_install", "-at_install")
class TestDoors(RpcMixin, SecurityMixin, HttpCase):
    """Every public method of every model of the addons, by RPC, as each role."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner.write({"name": f"Ada {MARK}", "company_id": cls.env.company.id})
        cls.gateway.write({"name": f"Gateway {MARK}", "company_id": cls.env.company.id})
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
        # What they are refused is not for want of rights on contacts.
        for role in (*FOREIGNERS, "administrator"):
            cls.users[role].group_ids += cls.env.ref("base.group_partner_manager")
        cls.keys = {
            role: cls.env["res.users.apikeys"]
            .with_user(cls.users[role])
            .sudo()
            ._generate("rpc", "test", fields.Datetime.now() + timedelta(days=1))
            for role in (*STRANGERS, *INSIDERS)
            if role != "public"
        }

    def setUp(self):
        super().setUp()
        self.template = self.env["mail.template"].create({"name": "x"})
        self.arguments_of = {}
        self.records = self.make_records()
        # What is written with the commit, such as tracked values, is no call's doing.
        self.env.cr.flush()

    def make_records(self):
        """Make one record of each model, all of one company, with words to look for.

        :return: dict of model name -> record
        """
        company, number = self.env.company, NUMBERS[0]
        admin = self.env.ref("base.user_admin")
        pull = self.make_gateway(
            code="testing_pull", name=f"Phones {MARK}", company_id=company.id
        )
        message = self.enqueue(partner_id=self.partner.id, body=f"Hello {MARK}")
        conversation = self.env["sms.conversation"]._get_many([(number, company.id)])
        conversation = conversation[number, company.id]
        conversation.write(
            {
                "partner_id": self.partner.id,
                "user_id": admin.id,
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
            "sms.gateway.coverage": {
                "gateway_id": self.gateway.id, "number": number, "answer": MARK,
            },
            "sms.gateway.rate": {"key": "caller/0"},
            # Erased numbers count for all companies; only administrators see the list.
            "sms.suppression": {"digest": "d" * 64, "note": MARK},
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
            "sms.broadcast.progress": {},
            "sms.assignment.rule": {
                "name": MARK, "company_id": company.id,
                "user_id": admin.id,
            },
            "sms.reply.link": {
                "conversation_id": conversation.id,
                "user_id": admin.id,
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
                "conversation_ids": [Command.set(conversation.ids)], "note": MARK,
                "user_id": admin.id,
            },
            "sms.conversation.contact": {
                "conversation_id": conversation.id, "choice": "contact",
            },
            "sms.log": {"res_model": "res.partner", "res_id": self.partner.id},
            "sms.consent.record": {
                "partner_ids": [Command.set(self.partner.ids)], "act": "opted_out",
            },
            "sms.composer": {
                "composition_mode": "comment", "res_model": "res.partner",
                "res_id": self.partner.id, "body": MARK,
            },
            "mail.activity": {
                "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                "res_id": self.partner.id, "summary": MARK, "user_id": admin.id,
                "activity_type_id": self.env.ref(
                    "sms_gateway_hub.mail_activity_type_sms"
                ).id,
                "sms_gateway_body": MARK,
            },
            "crm.lead": {
                "name": MARK, "company_id": company.id, "user_id": admin.id,
                "partner_id": self.partner.id,
            },
        }  # fmt: skip
        self.values = {
            "sms.gateway": {
                "name": MARK, "code": "testing", "company_id": company.id,
            },
            "sms.gateway.message": {
                "gateway_id": self.gateway.id, "number": number, "body": MARK,
            },
            "sms.conversation": {"number": NUMBERS[3], "company_id": company.id},
            "sms.broadcast": {"name": MARK, "body": MARK, "company_id": company.id},
            "sms.consent": {
                "number": number, "act": "opted_in", "company_id": company.id,
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
            if model not in self.env:
                continue
            records[model] = self.env[model].create(vals)
            self.values[model] = vals
        # Something to take away of what has a chatter and activities.
        for model in ("sms.gateway", "sms.conversation", "sms.broadcast"):
            records[model].message_subscribe(self.partner.ids)
            records[model].activity_schedule(ACTIVITY, summary=MARK, user_id=admin.id)
        return records

    def values_like_ours(self, model):
        """Return values of one more record beside ours: of our company and records."""
        return {
            name: "x" if isinstance(value, str) and MARK in value else value
            for name, value in {**self.values[model], **SECOND.get(model, {})}.items()
        }

    # -- What there is to call ------------------------------------------------

    def is_open(self, model, method):
        """Tell whether Odoo lets anybody call a method from outside."""
        try:
            get_public_method(self.env[model], method)
        except (AccessError, AttributeError):
            return False
        return True

    def own_methods(self):
        """Yield (model, method) for what the addons open beside Odoo's own."""
        base = self.env.registry["base"]
        for name, model in sorted(self.env.registry.items()):
            methods = {
                method
                for cls in model.__mro__
                if cls.__module__.startswith(OURS)
                and cls.__module__.split(".")[2] not in DOORS_OF_TESTS
                for method in vars(cls)
                if not hasattr(base, method) and self.is_open(name, method)
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
        if method in ARGUMENTS:
            return ARGUMENTS[method]
        if model not in self.arguments_of:
            self.arguments_of[model] = self.make_arguments(model)
        return self.arguments_of[model].get(method, {})

    def parameters(self, model, method):
        """Return the parameters of a method, without the record itself."""
        function = getattr(self.env.registry[model], method)
        return [*inspect.signature(function).parameters.values()][1:]

    def make_arguments(self, model):
        """Return arguments of Odoo's methods that name fields or records.

        :return: dict of method -> keywords
        """
        known = self.env[model]._fields
        ids = self.records[model].ids
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
        many2one = next(
            (name for name, field in known.items() if field.type == "many2one"), "id"
        )
        groupby = [char] if known[char].store and char != "id" else []
        change, empty = {char: "x"}, {"domain": [], "groupby": groupby}
        to_partner = {"partner_ids": self.partner.ids}
        return {
            "activity_send_mail": {"template_id": self.template.id},
            "copy_translations": {"new": ids},
            "create": {"vals_list": [change]},
            # Some call it “fields_list”.
            "default_get": {self.parameters(model, "default_get")[0].name: names},
            "export_data": {"fields_to_export": names},
            "formatted_read_group": {**empty, "aggregates": ["__count"]},
            "formatted_read_grouping_sets": {"domain": [], "grouping_sets": [groupby]},
            "get_chatter_data": {"mail_message_ids": self.partner.message_ids.ids},
            "get_field_translations": {"field_name": char},
            "get_property_definition": {"full_name": f"{char}.x"},
            "hierarchy_read": {
                "domain": [],
                "specification": {char: {}},
                "parent_field": many2one,
            },
            "load": {"fields": [char], "data": [["x"]]},
            "message_change_thread": {"new_thread": ids},
            "message_new": {"msg_dict": {"subject": "x"}, "custom_values": change},
            "message_notify": {"body": "x", **to_partner},
            "message_process": {
                "model": model,
                "message": "From: ada@example.com\nSubject: x\n\nx",
                "thread_id": ids[0],
            },
            "message_subscribe": to_partner,
            "message_unsubscribe": to_partner,
            "message_update": {"msg_dict": {}, "update_vals": change},
            "onchange": {
                "values": {},
                "field_names": [],
                "fields_spec": {name: {} for name in names},
            },
            "read": {"fields": None},
            "read_group": {**empty, "fields": []},
            "read_progress_bar": {
                "domain": [],
                "group_by": char,
                "progress_bar": {"field": char, "colors": {}},
            },
            "search_panel_select_multi_range": {"field_name": many2one},
            "search_panel_select_range": {"field_name": many2one},
            "update_field_translations": {
                "field_name": char,
                "translations": {"en_US": "x"},
            },
            "web_override_translations": {"values": change},
            "web_read": {"specification": {"id": {}, char: {}, "display_name": {}}},
            "web_read_group": {
                **empty,
                "groupby": groupby or ["id"],
                "aggregates": ["__count"],
            },
            "web_save": {"vals": change, "specification": {}},
            "web_save_multi": {"vals_list": [change], "specification": {}},
            "web_search_read": {"domain": [], "specification": {char: {}}},
            "write": {"vals": change},
        }

    def arguments_into_ours(self, model, method):
        """Return what would make a record of our company, or beside our records."""
        values = self.values_like_ours(model)
        known = self.env[model]._fields
        ways = {
            "create": {"vals_list": [values]},
            "load": {
                "fields": [
                    f"{name}/.id" if known[name].relational else name for name in values
                ],
                "data": [[*map(self.as_cell, values.values())]],
            },
            "message_new": {"msg_dict": {"subject": "x"}, "custom_values": values},
            "name_create": {"name": "x"},
            "web_save": {"vals": values, "specification": {"id": {}}},
            "web_save_multi": {"vals_list": [values], "specification": {"id": {}}},
        }
        given = ways.get(method, self.arguments(model, method))
        return {
            **given,
            "context": {f"default_{name}": value for name, value in values.items()},
        }

    def as_cell(self, value):
        """Return a value as a file to import holds it."""
        if isinstance(value, list):
            return ",".join(map(str, value[0][2]))
        return value if isinstance(value, int) else str(value)

    def calls(self):
        """Yield (model, method, letter), the letter as in CORE_METHODS or "own"."""
        for model in self.own_models():
            for method in dir(self.env.registry[model]):
                if method in CORE_METHODS and self.is_open(model, method):
                    yield model, method, CORE_METHODS[method]
        for model, method in self.own_methods():
            yield model, method, "own"

    # -- Calling ----------------------------------------------------------------

    def login(self, role):
        login = self.users[role].login
        if role == "public":
            self.authenticate(None, None)
        else:
            self.authenticate(login, f"{login}_password")

    def call(self, role, model, method, letter):
        """Call by the web client's door, as whoever is logged in, or behind it.

        :return: (text of the answer, name of the error or None)
        """
        kwargs = self.arguments(model, method)
        if letter == "own":
            return self.call_kw(model, method, kwargs)
        return self.call_inside(role, model, method, kwargs)

    def call_inside(self, role, model, method, kwargs, ids=None):
        """Call as the doors do for whom they let in, in a transaction of its own.

        :return: (text of the answer, name of the error or None)
        """
        ids = self.records[model].ids if ids is None else ids
        args = [] if self.is_model_method(model, method) else [ids]
        if method == "create":
            # As the door wants it, which looks whether it is one or a list.
            kwargs = dict(kwargs)
            args = [kwargs.pop("vals_list")]
        try:
            with self.registry.cursor() as cr:
                env = api.Environment(cr, self.users[role].id, {})
                result = call_kw(env[model], method, args, kwargs)
                return json.dumps(result, default=json_default), None
        except Exception as error:  # whatever it is, the door would tell it
            return repr(error), type(error).__name__

    def call_kw(self, model, method, kwargs):
        """Call by the web client's door, as whoever is logged in.

        :return: (text of the answer, name of the error or None)
        """
        args = [self.records[model].ids]
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
            "ids": self.records[model].ids
        }  # fmt: skip
        key = self.keys.get(role)
        answer = self.url_open(
            f"/json/2/{model}/{method}",
            # An empty object would make it a GET.
            data=json.dumps({**ids, **kwargs}, default=json_default),
            headers={
                "Content-Type": "application/json",
                **({"Authorization": f"Bearer {key}"} if key else {}),
            },
        )
        return answer.text, answer.status_code

    def is_model_method(self, model, method):
        return getattr(getattr(self.env.registry[model], method), "_api_model", False)

    def digests(self):
        """Return count and digest of the rows of all tables that a call may touch.

        Of forms, which are their user's alone, those that the test made.
        """
        self.env.flush_all()
        tables = {self.env[name]._table: None for name in self.own_models()}
        tables |= dict.fromkeys(TABLES_OF_CORE)
        for record in self.records.values():
            tables[record._table] = record.ids if record._transient else None
        found = {}
        for table, ids in sorted(tables.items()):
            self.env.cr.execute(
                SQL(
                    "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t.id)) "
                    "FROM %s AS t WHERE %s IS NULL OR t.id = ANY(%s)",
                    SQL.identifier(table),
                    ids,
                    ids,
                )
            )
            found[table] = self.env.cr.fetchone()
        return found

    def changed_since(self, before):
        self.env.invalidate_all()
        now = self.digests()
        return {table for table, row in now.items() if before[table] != row}

    def assertUnchanged(self, before, label):
        self.assertFalse(self.changed_since(before), label)

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
        for role in STRANGERS:
            self.login(role)
            before = self.digests()
            for model, method, letter in self.calls():
                if role in FOREIGNERS and letter in ("c", "mail"):
                    # Tests of their own, below.
                    continue
                label = f"{role} {model} {method}"
                text, error = self.call(role, model, method, letter)
                tried += 1
                if role == "public" and letter == "own":
                    self.assertEqual(error, "100", label)
                if role == "stranger" and model in FOR_ALL_COMPANIES:
                    continue
                if role not in FOREIGNERS or method not in SHOWN_BY_CORE:
                    self.assertHidden(text, label)
                if method == "search" and not error:
                    # Some rows have no words to look for.
                    self.assertNotIn(self.records[model].id, json.loads(text), label)
            self.assertUnchanged(before, role)
        self.assertGreater(tried, 4500)
        _logger.info("S1: %s calls of strangers, 0 rows changed", tried)

    @mute_logger(*MUTED)
    def test_strangers_with_keys(self):
        """The same by the door for programs: refused by a status, never by a 500."""
        tried = 0
        for role in STRANGERS:
            before = self.digests()
            for model, method, letter in self.calls():
                if letter != "own" and method not in BY_KEY:
                    continue
                if role in FOREIGNERS and letter == "c":
                    continue
                label = f"{role} {model} {method}"
                text, status = self.call_json2(
                    role, model, method, self.arguments(model, method)
                )
                tried += 1
                if role == "public":
                    self.assertEqual(status, 401, f"{label}: {text[:600]}")
                self.assertNotEqual(status, 500, f"{label}: {text[:2000]}")
                if role != "stranger" or model not in FOR_ALL_COMPANIES:
                    self.assertHidden(text, label)
            self.assertUnchanged(before, role)
        self.assertGreater(tried, 800)
        _logger.info("S1: %s calls of strangers by /json/2, 0 rows changed", tried)

    @mute_logger(*MUTED)
    def test_mail_gateway(self):
        """Odoo lets employees hand e-mails over: they are e-mails, and nothing else.

        Whoever knows a record's address can write to it; visitors and portal users
        cannot do it by RPC.
        """
        models = [m for m, method, letter in self.calls() if letter == "mail"]
        self.assertEqual(len(models), 3)
        for role in (*STRANGERS, *INSIDERS):
            for model in models:
                label = f"{role} {model}"
                with self.row(label):
                    before = self.digests()
                    text, error = self.call(role, model, "message_process", "mail")
                    self.assertHidden(text, label)
                    changed = self.changed_since(before)
                    if role in ("public", "portal"):
                        self.assertTrue(error, label)
                        self.assertFalse(changed, label)
                    self.assertLessEqual(changed, TABLES_OF_MAILS, label)

    @mute_logger(*MUTED)
    def test_records_into_another_company(self):
        """Who may make records makes none in another company, nor beside its records.

        With the same values an administrator of that company makes one. A form can be
        made by its user: then it shows nothing, and its buttons do nothing.
        """
        tried = 0
        for model in (*MATRIX, "mail.activity", "sms.composer"):
            if model == "sms.erase":
                # For all companies, as said above.
                continue
            if "c" in MATRIX.get(model, {}).get("administrator", "c"):
                with self.row(f"administrator {model}"):
                    kwargs = {"vals_list": [self.values_like_ours(model)]}
                    text, error = self.call_inside(
                        "administrator", model, "create", kwargs
                    )
                    self.assertFalse(error, f"{model} {text}")
            for role in FOREIGNERS:
                with self.row(f"{role} {model}"):
                    before = self.digests()
                    tried += self.make_all(role, model)
                    self.assertFalse(self.changed_since(before), f"{role} {model}")
        self.assertGreater(tried, 300)
        _logger.info("S1: %s calls to make records elsewhere, 0 made", tried)

    def make_all(self, role, model):
        """Try all ways to make a record of our company, or beside our records.

        :return: number of calls
        """
        tried, values = 1, self.values_like_ours(model)
        text, _status = self.call_json2(role, model, "create", {"vals_list": [values]})
        self.assertHidden(text, f"{role} {model} by /json/2")
        for method in (*METHODS_THAT_MAKE, "create"):
            if not hasattr(self.env.registry[model], method):
                continue
            kwargs = self.arguments_into_ours(model, method)
            ids = [] if method.startswith("web_save") else None
            text, error = self.call_inside(role, model, method, kwargs, ids=ids)
            tried += 1
            self.assertHidden(text, f"{role} {model} {method}")
        # Of a form that could be made, what can be read and done.
        ids = [] if error else json.loads(text)
        own = [method for name, method in self.own_methods() if name == model]
        for method in ("read", "web_read", "export_data", *own) if ids else ():
            kwargs = self.arguments(model, method)
            text, _error = self.call_inside(role, model, method, kwargs, ids=ids)
            tried += 1
            self.assertHidden(
                text.replace(self.gateway.name, ""), f"{role} {model} {method}"
            )
        for name, field in self.env[model]._fields.items() if ids else ():
            if field.type == "many2one" and field.store:
                kwargs = {"domain": [], "groupby": [name]}
                text, _error = self.call_inside(
                    role, model, "formatted_read_group", kwargs
                )
                tried += 1
                self.assertNotIn(MARK, text, f"{role} {model} {name}")
        return tried

    def may(self, role, model, method, letter):
        """Say whether a role of our company may do what a method does."""
        if letter == "own":
            if role == "user":
                return method in USER_MAY.get(model, ())
            is_reserved = method in FOR_ADMINISTRATORS.get(model, ())
            return role == "administrator" or not is_reserved
        if letter == "note":
            letter = "r"
        return not letter or letter in MATRIX[model][role]

    @mute_logger(*MUTED)
    def test_insiders(self):
        """Users and managers change what the tables let them, and see no secret."""
        tried = 0
        for role in INSIDERS:
            self.login(role)
            before = self.digests()
            for model, method, letter in self.calls():
                label = f"{role} {model} {method}"
                may = self.may(role, model, method, letter)
                if letter == "mail" or may and letter in CHANGES:
                    continue
                text, error = self.call(role, model, method, letter)
                tried += 1
                self.assertHidden(text, label, marks=(KEY_MARK,))
                if letter in ("c", "u", "w", "note") and method not in SILENT:
                    self.assertTrue(error, label)
                elif letter == "r" and not may and method not in SHOWN_BY_CORE:
                    self.assertHidden(text, label)
            self.assertUnchanged(before, role)
        self.assertGreater(tried, 2000)
        _logger.info("S1: %s calls of insiders, 0 rows changed", tried)

    @mute_logger(*MUTED)
    def test_insiders_with_keys(self):
        """The same by the door for programs."""
        tried = 0
        for role in ("user", "manager"):
            before = self.digests()
            for model, method in self.own_methods():
                if self.may(role, model, method, "own"):
                    continue
                label = f"{role} {model} {method}"
                text, status = self.call_json2(
                    role, model, method, self.arguments(model, method)
                )
                tried += 1
                self.assertNotEqual(status, 500, f"{label}: {text[:2000]}")
                self.assertHidden(text, label, marks=(KEY_MARK,))
            self.assertUnchanged(before, role)
        self.assertGreater(tried, 20)
        _logger.info("S1: %s calls of insiders by /json/2, 0 rows changed", tried)

    def test_nothing_is_left_out(self):
        """What this test calls is all that there is to call."""
        called, missing = set(), {}
        for model, method, _letter in self.calls():
            called.add((model, method))
            required = {
                p.name
                for p in self.parameters(model, method)
                if p.default is p.empty
                and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            }
            if required := required - set(self.arguments(model, method)):
                missing[f"{model} {method}"] = required
        self.assertFalse(missing, "arguments that are not given")
        public = {
            (model, method)
            for model in self.own_models()
            for method in dir(self.env.registry[model])
            if self.is_open(model, method)
        }
        self.assertFalse(public - called, "methods that are not called")
        own = {*self.own_methods()}
        self.assertGreater(len(own), 60)
        self.assertGreater(len(called), 1300)
        models = {model for model, _method in own} | {*self.own_models()}
        self.assertFalse(models - set(self.records), "models without a record")
        listed = {
            (model, method)
            for table in (FOR_ADMINISTRATORS, USER_MAY)
            for model, methods in table.items()
            for method in methods
        }
        self.assertFalse(listed - own, "methods that are gone")
