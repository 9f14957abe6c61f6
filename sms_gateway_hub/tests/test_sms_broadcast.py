# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Broadcasts: who may, who gets what, once each, and what becomes of it."""

import random
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import const
from ..models import sms_broadcast, sms_broadcast_job
from ..models.sms_broadcast_job import SmsBroadcast
from ..models.sms_broadcast_progress import SmsBroadcastProgress
from .common import NUMBERS, SmsGatewayCase

_LOGGER = "odoo.addons.sms_gateway_hub.models.sms_broadcast_job"
# What core says of a text that cannot be rendered.
_RENDER_LOGGER = "odoo.addons.mail.models.mail_render_mixin"


@tagged("post_install", "-at_install")
class BroadcastCase(SmsGatewayCase):
    """A manager, contacts of their own, and a job that runs at once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["sms.broadcast"].search([]).action_archive()
        cls.env.cr.execute(
            "UPDATE sms_broadcast SET state = 'done', to_move = FALSE, stale = FALSE"
        )
        cls.env["sms.broadcast"].invalidate_model()
        cls.manager = cls.new_user(
            "broadcaster", "base.group_user,sms_gateway_hub.group_manager"
        )
        cls.user = cls.new_user("texter", "base.group_user")
        cls.administrator = cls.new_user(
            "technician", "base.group_user,sms_gateway_hub.group_administrator"
        )
        cls.broadcasts = cls.env["sms.broadcast"].with_user(cls.manager)
        cls.tag, cls.people = cls.make_people(3)

    @classmethod
    def make_people(cls, count, **values):
        """Make contacts with numbers of their own, under a tag of their own."""
        tag = cls.env["res.partner.category"].create({"name": "Broadcast test"})
        return tag, cls.env["res.partner"].create(
            [
                {
                    "name": f"Person {n}",
                    "phone": f"+1202555{2000 + n}",
                    "category_id": [fields.Command.link(tag.id)],
                    **values,
                }
                for n in range(count)
            ]
        )

    def make(self, **values):
        """Make a broadcast to the people of the test."""
        if "record_ids" not in values:
            values.setdefault("domain", f"[('category_id', 'in', [{self.tag.id}])]")
        if "template_id" not in values:
            values.setdefault("body", "Hello")
        return self.broadcasts.create(values)

    @contextmanager
    def chunks_of(self, size):
        """Let the job take that many records at a time."""
        with patch.object(const, "BROADCAST_CHUNK", size):
            yield

    def run_job(self):
        """Run the job until nothing is left that it can do at once."""
        self.env.flush_all()
        with (
            self.own_cursors(),
            patch.object(const, "BROADCAST_BUDGET_S", 0.0),
            patch.object(sms_broadcast_job, "_LOOK_AGAIN_S", 0.0),
        ):
            for _run in range(200):
                self.make_due()
                ids = self.env["sms.broadcast"]._get_ids_at_work(self.env)
                outcomes = {self.env["sms.broadcast"]._work_apart(i) for i in ids}
                if "more" not in outcomes:
                    break
            self.env["sms.broadcast"]._cron_run()
        self.env.invalidate_all()

    def run_all(self, broadcast):
        """Check, start and expand a broadcast."""
        broadcast.action_check()
        self.run_job()
        broadcast.action_start()
        self.run_job()

    def texts(self, broadcast):
        """Return its outgoing texts, oldest first."""
        return self.messages_of(
            [("broadcast_id", "=", broadcast.id), ("direction", "=", "outgoing")]
        )

    def reasons(self, broadcast):
        """Count its texts by why they do not leave, None for those that do."""
        counts = {}
        for text in self.texts(broadcast):
            key = None if text.state == "queued" else text.failure_type
            counts[key] = counts.get(key, 0) + 1
        return counts


@tagged("post_install", "-at_install")
class TestSmsBroadcastRights(BroadcastCase):
    """Only managers text many people, however they call."""

    def test_only_managers(self):
        """No method and no field is open to who is no manager."""
        broadcast = self.make()
        broadcast.action_check()
        portal = self.new_user("passenger", "base.group_portal")
        for user in (self.user, portal):
            other = broadcast.with_user(user)
            for name in (
                "action_check",
                "action_start",
                "action_pause",
                "action_resume",
                "action_cancel",
                "action_draft",
                "action_send_test",
                "action_open_messages",
                "action_open_selection",
                "action_clear_selection",
                "unlink",
            ):
                with (
                    self.row(f"{user.login}: {name}"),
                    self.assertRaises(AccessError),
                ):
                    getattr(other, name)()
            for label, call in {
                "create": lambda u=user: self.broadcasts.with_user(u).create(
                    {"body": "x"}
                ),
                "write": lambda o=other: o.write({"body": "x"}),
                "read": lambda o=other: o.read(["body"]),
                "search": lambda u=user: self.broadcasts.with_user(u).search([]),
                "recipients": lambda u=user: (
                    self.env["sms.broadcast.recipient"].with_user(u).search([])
                ),
            }.items():
                with self.row(f"{user.login}: {label}"):
                    with self.assertRaises(AccessError):
                        call()
        self.assertEqual(broadcast.state, "checked")

    def test_managers_and_administrators_may(self):
        """A manager and an administrator start a broadcast."""
        for user in (self.manager, self.administrator):
            with self.row(user.login):
                broadcast = self.make().with_user(user)
                broadcast.action_check()
                broadcast.action_start()
                self.assertEqual(broadcast.state, "running")

    def test_own_fields_cannot_be_set(self):
        """No write, create or default of the context jumps over the check."""
        broadcast = self.make()
        for name, value in (
            ("state", "checked"),
            ("user_id", self.administrator.id),
            ("text_count", 10),
            ("progress_id", False),
            ("check_result", {}),
            ("text_by_lang", {"texts": {"en_US": "{{ 7 * 7 }}"}}),
            ("to_move", True),
        ):
            with self.row(name):
                with self.assertRaises(AccessError):
                    broadcast.write({name: value})
                with self.assertRaises(AccessError):
                    self.make(**{name: value})
        sly = self.broadcasts.with_context(
            default_state="running", default_user_id=self.administrator.id
        ).create({"body": "x"})
        self.assertFields(sly, {"state": "draft", "user_id": self.manager})

    def test_recipients_are_searched_with_the_rights_of_who_chose_them(self):
        """What the record rules hide from a manager is not texted."""
        company = self.env["res.company"].create({"name": "Other company"})
        self.people[0].company_id = company
        broadcast = self.make(body="Hello {{ object.name }}")
        self.run_all(broadcast)
        self.assertEqual(self.texts(broadcast).partner_id, self.people[1:])

    def test_whoever_changes_the_rule_answers_for_it(self):
        """A colleague's change is searched with the colleague's rights."""
        broadcast = self.make()
        broadcast.with_user(self.administrator).domain = "[('id', '=', 0)]"
        self.assertEqual(broadcast.user_id, self.administrator)
        broadcast.with_user(self.manager).name = "Only a name"
        self.assertEqual(broadcast.user_id, self.administrator)

    def test_a_manager_who_lost_the_right_stops_it(self):
        """A scheduled broadcast of who is no longer a manager does not start."""
        broadcast = self.make()
        broadcast.action_check()
        broadcast.action_start()
        self.manager.group_ids -= self.env.ref("sms_gateway_hub.group_manager")
        self.run_job()
        broadcast = broadcast.sudo()
        self.assertEqual(broadcast.state, "paused")
        self.assertIn("no longer a manager", broadcast.pause_reason)
        self.assertFalse(self.texts(broadcast))

    def test_placeholders_need_the_right_for_them(self):
        """Who may not edit templates writes no expressions, as in core's composer."""
        self.env["ir.config_parameter"].sudo().set_param(
            "mail.restrict.template.rendering", True
        )
        editors = self.env.ref("mail.group_mail_template_editor")
        self.env.ref("base.group_user").implied_ids -= editors
        self.manager.group_ids -= editors
        self.assertFalse(self.manager.has_group("mail.group_mail_template_editor"))
        broadcast = self.make(body="{{ object.env.cr.dbname }}")
        with self.assertRaises(UserError) as caught:
            broadcast.action_check()
        self.assertNotIn(self.env.cr.dbname, str(caught.exception))
        fine = self.make(body="Hello {{ object.name }}")
        fine.action_check()
        self.assertEqual(fine.check_result["accepted"], 3)


@tagged("post_install", "-at_install")
class TestSmsBroadcastRecipients(BroadcastCase):
    """Who gets what."""

    def test_rules_are_read_and_never_run(self):
        """Whatever a rule contains, nothing in it is evaluated."""
        for rule in (
            "__import__('os').system('true')",
            "[('name', '=', __import__('os'))]",
            "[('name', '=', open('/etc/passwd').read())]",
            "[x for x in [1]]",
            "(lambda: [])()",
            "[('id', '>', 9 ** 9 ** 9)]",
            "[('name', '=', user.name)]",
            "[('no_such_field', '=', 1)]",
            "[('name', 'no operator', 1)]",
            "[('name', '=')]",
            "['|', ('name', '=', 1)]",
            "{'a': 1}",
            "1",
            "[",
            "[" * 5000 + "]" * 5000,
            "[('id', 'in', [" + "1," * 100_000 + "])]",
        ):
            with self.row(rule[:40]), self.assertRaises(UserError):
                self.make(domain=rule)
        for rule in ("[]", "", "[('user_id', '=', uid)]", "[('name', '=', True)]"):
            with self.row(rule):
                self.make(domain=rule)

    def test_uid_is_who_chose(self):
        """“uid” in a rule stands for whoever chose the recipients."""
        self.people[0].user_id = self.manager
        broadcast = self.make(
            domain=f"[('user_id', '=', uid), ('category_id', 'in', [{self.tag.id}])]"
        )
        self.run_all(broadcast)
        self.assertEqual(self.texts(broadcast).partner_id, self.people[0])

    def test_secret_fields_are_no_criterion(self):
        """A rule may not ask for what its author may not read."""
        with self.assertRaises(UserError):
            self.make(domain="[('signup_type', '=', 'x')]").action_check()

    def test_from_a_selection(self):
        """A selection is texted as it is, archived ones too, also when it is huge."""
        self.people[2].action_archive()
        chosen = self.people[:1] + self.people[2]
        action = self.broadcasts._from_records(chosen.with_user(self.manager))
        broadcast = self.broadcasts.browse(action["res_id"])
        broadcast.body = "Hello"
        self.assertEqual(broadcast.selected_count, 2)
        self.run_all(broadcast)
        self.assertEqual(self.texts(broadcast).partner_id, chosen)
        huge = self.broadcasts._from_records(
            self.env["res.partner"].browse(range(1_000_000, 1_100_000))
        )
        huge = self.broadcasts.browse(huge["res_id"])
        huge.body = "Hello"
        self.assertEqual(huge.selected_count, 100_000)
        with self.assertRaises(UserError):
            self.broadcasts._from_records(self.env["res.partner"])
        with self.assertRaises(UserError):
            self.make(record_ids=["x"])

    def test_server_action(self):
        """“Broadcast” in the contact list's menu makes one of the selection."""
        action = (
            self.env.ref("sms_gateway_hub.action_res_partner_broadcast")
            .with_user(self.manager)
            .with_context(
                active_model="res.partner", active_ids=self.people.ids, active_id=1
            )
            .run()
        )
        broadcast = self.broadcasts.browse(action["res_id"])
        self.assertEqual(broadcast.record_ids, self.people.ids)

    def test_from_a_filter(self):
        """A filter's rule is copied, so that later changes of it change nothing."""
        saved = self.env["ir.filters"].create(
            {
                "name": "People",
                "model_id": "res.partner",
                "domain": f"[('category_id', 'in', [{self.tag.id}])]",
            }
        )
        broadcast = self.broadcasts.create({"body": "x", "filter_id": saved.id})
        saved.domain = "[]"
        self.assertEqual(broadcast.domain, f"[('category_id', 'in', [{self.tag.id}])]")
        saved.domain = "[('id', '=', 1)]"
        broadcast.filter_id = saved
        self.assertEqual(broadcast.domain, "[('id', '=', 1)]")

    def test_each_number_once(self):
        """A number of several contacts gets the text once, also across chunks."""
        self.people[2].phone = self.people[0].phone
        for size in (1, 2, 500):
            with self.row(f"chunks of {size}"), self.chunks_of(size):
                broadcast = self.make()
                self.run_all(broadcast)
                self.assertEqual(self.reasons(broadcast), {None: 2, "duplicate": 1})
                self.assertEqual(broadcast.check_result["accepted"], 2)

    def test_one_unreadable_record(self):
        """A record whose text cannot be built fails; the others get theirs."""
        with (
            self.chunks_of(2),
            mute_logger(_RENDER_LOGGER),
        ):
            self.manager.group_ids += self.env.ref("mail.group_mail_template_editor")
            body = "{{ 12 // (object.id - %s) and object.name }}" % self.people[1].id
            broadcast = self.make(body=body)
            self.run_all(broadcast)
        self.assertEqual(
            self.texts(broadcast).mapped("state"), ["queued", "failed", "queued"]
        )
        bad = self.texts(broadcast)[1]
        self.assertEqual(bad.failure_type, "unreadable")
        self.assertIn("could not be built", bad.failure_reason)
        self.assertEqual(self.texts(broadcast)[0].body, self.people[0].name)
        self.assertEqual(broadcast.check_result["reasons"], [["unreadable", 1]])

    def test_a_text_that_fits_nobody_stops_it(self):
        """A broken text is told at the check, and pauses what was started."""
        with mute_logger(_RENDER_LOGGER):
            broadcast = self.make(body="{{ 1 // 0 }}")
            with self.assertRaises(UserError):
                broadcast.action_check()
            broadcast.sudo().state = "checked"
            broadcast.action_start()
            self.run_job()
        self.assertEqual(broadcast.state, "paused")
        self.assertTrue(broadcast.pause_reason)
        self.assertEqual(broadcast.activity_ids.user_id, self.manager)
        self.assertFalse(self.texts(broadcast))

    def test_an_unexpected_error_stops_one_and_no_other(self):
        """A defect pauses its broadcast; the next in turn goes on."""
        first, second = self.make(name="first"), self.make(name="second")
        for broadcast in (first, second):
            broadcast.action_check()
            broadcast.action_start()
        expand = SmsBroadcast._expand_chunk

        def fail(broadcast):
            if broadcast.id == first.id:
                raise ZeroDivisionError("defect")
            return expand(broadcast)

        with (
            patch.object(SmsBroadcast, "_expand_chunk", fail),
            self.assertLogs(_LOGGER, "ERROR"),
        ):
            self.run_job()
        self.assertEqual(first.state, "paused")
        self.assertIn("ZeroDivisionError", first.pause_reason)
        self.assertEqual(len(self.texts(second)), 3)
        self.assertEqual(first.activity_ids.user_id, self.manager)
        first.action_resume()
        self.assertFalse(first.activity_ids)
        self.run_job()
        self.assertEqual(len(self.texts(first)), 3)

    def test_resumed_after_a_failure_in_the_middle(self):
        """What a chunk wrote and where it is are one: nobody twice, nobody left."""
        broadcast = self.make(domain=f"[('id', 'in', {self.people.ids})]")
        broadcast.action_check()
        broadcast.action_start()
        move_on = SmsBroadcastProgress._set

        def fail(progress, **values):
            if values["cursor"] == self.people[1].id:
                raise ZeroDivisionError("killed")
            return move_on(progress, **values)

        with (
            self.chunks_of(1),
            patch.object(SmsBroadcastProgress, "_set", fail),
            self.assertLogs(_LOGGER, "ERROR"),
        ):
            self.run_job()
        self.assertEqual(self.texts(broadcast).partner_id, self.people[0])
        broadcast.action_resume()
        with self.chunks_of(1):
            self.run_job()
        self.assertEqual(self.texts(broadcast).partner_id, self.people)
        self.assertEqual(len(self.texts(broadcast)), 3)

    def test_languages(self):
        """People get a template's text in their language, where it is in use."""
        self.env["res.lang"]._activate_lang("fr_FR")
        template = self.env["sms.template"].create(
            {
                "name": "Greeting",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "body": "Hello {{ object.name }}",
            }
        )
        template.with_context(lang="fr_FR").body = "Bonjour {{ object.name }}"
        self.people[1].lang = "fr_FR"
        self.env["res.lang"]._activate_lang("de_DE")
        self.people[2].lang = "de_DE"
        self.env.flush_all()
        # Archived past the check, as a database may have it.
        self.env.cr.execute("UPDATE res_lang SET active = FALSE WHERE code = 'de_DE'")
        self.env.invalidate_all()
        self.registry.clear_all_caches()
        broadcast = self.make(template_id=template.id, body=template.body)
        self.run_all(broadcast)
        self.assertEqual(
            self.texts(broadcast).mapped("body"),
            ["Hello Person 0", "Bonjour Person 1", "Hello Person 2"],
        )
        changed = self.make(template_id=template.id, body="Hi {{ object.name }}")
        self.run_all(changed)
        self.assertEqual(self.texts(changed)[1].body, "Hi Person 1")
        # A later change of the template is not what was checked.
        kept = self.make(template_id=template.id)
        kept.action_check()
        template.with_context(lang="fr_FR").body = "Salut"
        kept.action_start()
        self.run_job()
        self.assertEqual(self.texts(kept)[1].body, "Bonjour Person 1")
        rendered = template._render_field("body", self.people.ids, compute_lang=True)
        self.assertEqual(rendered[self.people[1].id], "Salut")
        self.assertEqual(rendered[self.people[2].id], "Hello Person 2")

    def test_other_models(self):
        """Whatever people can be texted from can be chosen, and nothing else."""
        for name in ("res.currency", "res.users.log", "no.such.model", "mail.thread"):
            with self.row(name), self.assertRaises(UserError):
                self.make(res_model=name, domain="[]")
        names = [name for name, _label in self.broadcasts._list_models()]
        self.assertEqual(names[0], "res.partner")

    def test_leads(self):
        """Leads are texted at their own number, else at their contact's."""
        if "crm.lead" not in self.env:
            self.skipTest("needs the module crm, not installed here")
        self.manager.group_ids += self.env.ref(
            "sales_team.group_sale_salesman_all_leads"
        )
        leads = self.env["crm.lead"].create(
            [
                {"name": "Own number", "phone": "+12025552300"},
                {"name": "Of the contact", "partner_id": self.people[0].id},
                {"name": "None"},
            ]
        )
        broadcast = self.make(
            res_model="crm.lead",
            record_ids=leads.ids,
            body="About {{ object.name }}",
            keep_log=True,
        )
        self.run_all(broadcast)
        first, second, third = self.texts(broadcast)
        self.assertFields(
            first,
            {
                "number": "+12025552300",
                "body": "About Own number",
                "res_model": "crm.lead",
                "res_id": leads[0].id,
                "state": "queued",
            },
        )
        self.assertFields(
            second, {"number": "+12025552000", "partner_id": self.people[0]}
        )
        self.assertEqual(second.mail_message_id.res_id, leads[1].id)
        self.assertEqual(third.failure_type, "number_missing")
        self.people[0].mobile_ids = [
            fields.Command.create({"number": "+12025552301", "label": "work"})
        ]
        at_work = self.make(
            res_model="crm.lead",
            record_ids=leads[1:2].ids,
            number_choice="label",
            number_label="work",
        )
        self.run_all(at_work)
        self.assertEqual(self.texts(at_work).mapped("number"), ["+12025552301"])

    def test_each_number_of_a_contact(self):
        """All numbers of a contact, or those of a kind, get the text."""
        self.people[0].mobile_ids = [
            fields.Command.create({"number": "+12025552100", "label": "work"}),
            fields.Command.create({"number": "+12025552101", "label": "home"}),
        ]
        everywhere = self.make(number_choice="all")
        self.run_all(everywhere)
        self.assertGreaterEqual(
            set(self.texts(everywhere).mapped("number")),
            {"+12025552100", "+12025552101", self.people[1].phone},
        )
        at_home = self.make(number_choice="label", number_label="home")
        self.run_all(at_home)
        self.assertEqual(
            {text.number: text.failure_type for text in self.texts(at_home)},
            {"+12025552101": False, False: "number_missing"},
        )

    def test_a_contacts_own_gateway(self):
        """Each text goes by its contact's own gateway, unless one is chosen."""
        own = self.make_gateway(name="Own")
        self.people[0].sms_gateway_id = own
        broadcast = self.make()
        self.run_all(broadcast)
        self.assertEqual(self.texts(broadcast)[0].gateway_id, own)
        self.assertEqual(self.texts(broadcast)[1].gateway_id, self.gateway)
        chosen = self.make(gateway_id=self.gateway.id)
        self.run_all(chosen)
        self.assertEqual(self.texts(chosen).gateway_id, self.gateway)


@tagged("post_install", "-at_install")
class TestSmsBroadcastCheck(BroadcastCase):
    """What the check says comes true."""

    def test_start_needs_a_check(self):
        """Nothing starts unchecked, and a change asks for another check."""
        broadcast = self.make()
        with self.assertRaisesRegex(UserError, "Check recipients"):
            broadcast.action_start()
        broadcast.action_check()
        self.assertEqual(broadcast.state, "checked")
        for values in ({"body": "Other"}, {"domain": "[]"}, {"urgent": True}):
            with self.row(str(values)):
                broadcast.write(values)
                self.assertFields(broadcast, {"state": "draft", "check_result": False})
                with self.assertRaisesRegex(UserError, "Check recipients"):
                    broadcast.action_start()
        broadcast.name = "Another name"
        self.assertEqual(broadcast.state, "checked")

    def test_started_twice(self):
        """A second start is refused and doubles nothing."""
        broadcast = self.make()
        broadcast.action_check()
        broadcast.action_start()
        with self.assertRaises(UserError):
            broadcast.action_start()
        self.run_job()
        with self.assertRaises(UserError):
            broadcast.action_start()
        self.run_job()
        self.assertEqual(len(self.texts(broadcast)), 3)

    def test_begun_cannot_be_changed(self):
        """Once it runs, neither text nor recipients nor plan change."""
        broadcast = self.make()
        broadcast.action_check()
        broadcast.action_start()
        for values in (
            {"body": "Other"},
            {"domain": "[]"},
            {"scheduled_at": False},
            {"priority": const.PRIORITY_HIGH},
        ):
            with self.row(str(values)), self.assertRaises(UserError):
                broadcast.write(values)
        copied = broadcast.copy()
        self.assertFields(
            copied,
            {
                "state": "draft",
                "body": "Hello",
                "text_count": 0,
                "domain": broadcast.domain,
            },
        )

    def test_check_equals_result(self):
        """The check of a random mix says what the start then does, by reasons."""
        randomly = random.Random(7)
        self.tag, people = self.make_people(60)
        blacklist = self.env["phone.blacklist"].sudo()
        for person in people:
            kind = randomly.choice(
                ["fine", "fine", "fine", "missing", "invalid", "double", "refused"]
            )
            if kind == "missing":
                person.phone = False
            elif kind == "invalid":
                person.phone = "12"
            elif kind == "double":
                person.phone = randomly.choice(people).phone
            elif kind == "refused" and person.phone_sanitized:
                blacklist.add(person.phone_sanitized)
        long_one = people.filtered("phone_sanitized")[5]
        long_one.name = "Long " * 60
        with self.chunks_of(7):
            broadcast = self.make(body="Hello {{ object.name }}")
            with patch.object(sms_broadcast, "_CHECK_AT_ONCE", 0):
                broadcast.action_check()
            self.assertEqual(broadcast.state, "checking")
            self.run_job()
            self.assertEqual(broadcast.state, "checked")
            result = broadcast.check_result
            rows = self.env["sms.broadcast.recipient"].search(
                [("broadcast_id", "=", broadcast.id)], order="id"
            )
            expected = [(row.res_id, row.reason or None, row.parts) for row in rows]
            broadcast.action_start()
            self.run_job()
        texts = self.texts(broadcast)
        found = [
            (
                text.res_id,
                None if text.state == "queued" else text.failure_type,
                text.segments,
            )
            for text in texts
        ]
        self.assertEqual(found, expected)
        queued = texts.filtered(lambda text: text.state == "queued")
        self.assertEqual(result["accepted"], len(queued))
        self.assertEqual(result["parts"], sum(queued.mapped("segments")))
        self.assertEqual(
            dict(result["reasons"]),
            {
                reason: count
                for reason, count in self.reasons(broadcast).items()
                if reason
            },
        )
        self.assertGreater(len(result["reasons"]), 2)
        self.assertFalse(rows.exists(), "the check is dropped after the start")

    def test_page(self):
        """The check names the worst case, gives three texts and opens its lists."""
        self.people[1].name = "Long " * 60
        self.people[2].phone = False
        broadcast = self.make(
            body="Hello {{ object.name }}", domain=f"[('id', 'in', {self.people.ids})]"
        )
        broadcast.action_check()
        result = broadcast.check_result
        self.assertEqual(
            result["worst"],
            {
                "res_id": self.people[1].id,
                "parts": 2,
                "name": self.people[1].display_name,
            },
        )
        self.assertEqual(result["histogram"], [[1, 1], [2, 1]])
        self.assertEqual(result["parts"], 3)
        self.assertEqual(
            [sample["text"] for sample in broadcast.check_samples],
            ["Hello Person 0", f"Hello {self.people[1].name}"],
        )
        (line,) = broadcast.check_reasons
        self.assertEqual((line["key"], line["count"]), ("reason/number_missing", 1))
        action = broadcast.action_open_line(line["key"])
        self.assertEqual(action["res_model"], "res.partner")
        self.assertEqual(action["domain"], [("id", "in", self.people[2].ids)])
        action = broadcast.action_open_line("reason/")
        self.assertEqual(action["domain"], [("id", "in", self.people[:2].ids)])
        with patch.object(sms_broadcast, "_OPEN_MAX", 1):
            action = broadcast.action_open_line("reason/")
        rows = self.env[action["res_model"]].search(action["domain"])
        self.assertEqual(
            rows.mapped("record_name"), self.people[:2].mapped("display_name")
        )
        self.assertEqual(rows[0].action_open_record()["res_id"], self.people[0].id)

    def test_examples_are_not_kept(self):
        """Once it is started, no names, numbers and texts of people stay with it."""
        self.people[1].name = "Long " * 60
        for later in (False, True):
            with self.row(later):
                broadcast = self.make(
                    body="Hello {{ object.name }}",
                    scheduled_at=later and fields.Datetime.now() + timedelta(days=1),
                )
                broadcast.action_check()
                self.assertTrue(broadcast.check_samples)
                self.assertTrue(broadcast.check_result["worst"])
                broadcast.action_start()
                self.assertEqual(broadcast.check_result["accepted"], 3)
                self.assertFalse({"samples", "worst"} & broadcast.check_result.keys())
                self.assertFalse(broadcast.check_samples)
                self.assertTrue(broadcast.check_lines)

    def test_an_erased_person_is_no_example(self):
        """A checked broadcast forgets its examples with a person that it shows."""
        broadcast = self.make(body="Hello {{ object.name }}")
        broadcast.action_check()
        other = self.make(record_ids=[self.partner.id], res_model="res.partner")
        other.action_check()
        self.env["sms.erase"]._erase(self.people[0].phone_sanitized)
        self.assertFalse(broadcast.check_samples)
        self.assertNotIn("Person", str(broadcast.check_result))
        self.assertNotIn("+1202555", str(broadcast.check_result))
        self.assertTrue(other.check_samples, "it shows somebody else")

    def test_three_examples(self):
        """Three different people are shown where there are three."""
        broadcast = self.make()
        broadcast.action_check()
        self.assertEqual(len({sample["name"] for sample in broadcast.check_samples}), 3)

    def test_cost(self):
        """The estimate takes what delivered parts did cost; without any it says so."""
        broadcast = self.make(gateway_id=self.gateway.id)
        broadcast.action_check()
        self.assertIn("Unknown", broadcast.check_lines[-1]["value"])
        told = self.enqueue(2)
        self.force(told, state="delivered", cost=1.5, cost_unit="credits")
        broadcast.action_check()
        self.assertEqual(broadcast.check_result["costs"], {"credits": 4.5})
        self.assertEqual(broadcast.check_lines[-1]["value"], "about 4.50 credits")

    def test_quiet_hours_are_told(self):
        """What would wait for the morning is counted."""
        self.gateway.write({"quiet_hours": True, "quiet_from": 0.0, "quiet_to": 23.9})
        broadcast = self.make()
        broadcast.action_check()
        self.assertEqual(broadcast.check_result["holds"], [["quiet_hours", 3]])
        self.assertEqual(broadcast.check_reasons[0]["key"], "hold/quiet_hours")
        action = broadcast.action_open_line("hold/quiet_hours")
        self.assertEqual(action["domain"], [("id", "in", self.people.ids)])
        urgent = self.make(urgent=True)
        urgent.action_check()
        self.assertEqual(urgent.check_result["holds"], [])

    def test_test_text(self):
        """The first example goes to one's own number, and counts for nothing."""
        broadcast = self.make(body="Hello {{ object.name }}")
        with self.assertRaisesRegex(UserError, "no valid mobile number"):
            broadcast.action_send_test()
        self.manager.partner_id.phone = NUMBERS[5]
        broadcast.action_send_test()
        text = self.messages_of([("number", "=", NUMBERS[5])])
        self.assertFields(
            text,
            {
                "body": "Hello Person 0",
                "state": "queued",
                "broadcast_id": self.env["sms.broadcast"],
                "author_id": self.manager,
            },
        )
        with self.assertRaisesRegex(UserError, "empty"):
            self.make(body=" ").action_send_test()
        with self.assertRaisesRegex(UserError, "Nobody"):
            self.make(domain="[('id', '=', 0)]").action_send_test()

    def test_nobody(self):
        """A rule that nobody fits is checked and done, without an error."""
        broadcast = self.make(domain="[('id', '=', 0)]")
        self.run_all(broadcast)
        self.assertFields(broadcast, {"state": "done", "text_count": 0})


@tagged("post_install", "-at_install")
class TestSmsBroadcastLife(BroadcastCase):
    """Pause, resume, cancel, schedule, and the end."""

    def start(self, **values):
        broadcast = self.make(**values)
        broadcast.action_check()
        broadcast.action_start()
        return broadcast

    def test_the_click_writes_no_text(self):
        """Starting changes the state and wakes the job, whatever the size."""
        broadcast = self.make()
        broadcast.action_check()
        self.env.flush_all()
        self.env.invalidate_all()
        with self.count_queries() as statements:
            broadcast.action_start()
            self.env.flush_all()
        self.assertFalse(self.texts(broadcast))
        self.assertLess(len(statements), 60, "\n".join(statements))
        self.assertFalse([s for s in statements if "res_partner_category" in s])

    def test_until_done(self):
        """It is done when all is queued and nothing waits; the page has the figures."""
        broadcast = self.start()
        self.run_job()
        self.assertFields(
            broadcast,
            {"state": "running", "text_count": 3, "waiting_count": 3, "progress": 0.0},
        )
        self.deliver()
        self.run_job()
        self.assertFields(
            broadcast,
            {"state": "done", "waiting_count": 0, "sent_count": 3, "progress": 100.0},
        )

    def test_figures(self):
        """Each text counts where it belongs, and each figure opens its texts."""
        broadcast = self.start()
        self.run_job()
        texts = self.texts(broadcast)
        self.force(
            texts[0], state="delivered", cost=2, cost_unit="credits", cost_company=0.5
        )
        self.force(texts[1], state="failed", failure_type="rejected")
        self.force(texts[2], state="canceled", failure_type="opted_out")
        answers = self.enqueue(2)
        self.force(
            answers, direction="incoming", state="received", broadcast_id=broadcast.id
        )
        self.force(answers[0], keyword_family="stop")
        self.env.invalidate_all()
        self.assertFields(
            broadcast,
            {
                "sent_count": 1,
                "delivered_count": 1,
                "failed_count": 1,
                "left_out_count": 1,
                "reply_count": 2,
                "opt_out_count": 1,
                "cost_text": "2 credits",
                "cost_company": 0.5,
            },
        )
        keys = {line["key"]: line["count"] for line in broadcast.result_lines}
        self.assertEqual(keys, {"failed/rejected": 1, "canceled/opted_out": 1})
        messages = self.env["sms.gateway.message"].with_user(self.manager)
        for key, expected in (
            ("failed/rejected", texts[1]),
            ("canceled/opted_out", texts[2]),
        ):
            action = broadcast.action_open_line(key)
            self.assertEqual(messages.search(action["domain"]), expected)
        for figure, expected in (
            ("all", texts),
            ("delivered", texts[0]),
            ("failed", texts[1]),
            ("replies", answers),
            ("opt_outs", answers[0]),
        ):
            action = broadcast.with_context(
                broadcast_figure=figure
            ).action_open_messages()
            self.assertEqual(
                messages.search(action["domain"]).sorted("id"), expected.sorted("id")
            )

    def test_pause_and_resume(self):
        """Nothing of a paused one leaves; resumed, everybody gets it once."""
        with self.chunks_of(1):
            broadcast = self.start()
            with self.own_cursors():
                self.env["sms.broadcast"]._work_apart(broadcast.id)
            self.assertEqual(len(self.texts(broadcast)), 1)
            broadcast.action_pause()
            self.run_job()
            text = self.texts(broadcast)
            self.assertFields(text, {"state": "queued", "hold": "broadcast_paused"})
            self.run_sender()
            self.assertEqual(text.state, "queued")
            self.assertIn("paused", text.failure_text)
            with self.assertRaises(UserError):
                broadcast.action_pause()
            broadcast.action_resume()
            self.run_job()
            self.assertFields(broadcast, {"state": "running", "pause_reason": False})
            self.assertEqual(self.texts(broadcast).mapped("hold"), [False] * 3)
            self.deliver()
            self.run_job()
        self.assertEqual(broadcast.state, "done")
        self.assertEqual(broadcast.sent_count, 3)

    def test_paused_before_the_job_moved_anything(self):
        """The flag alone holds what is queued: the gate asks for it at the claim."""
        broadcast = self.start()
        self.run_job()
        broadcast.action_pause()
        self.run_sender()
        self.assertEqual(self.texts(broadcast).mapped("hold"), ["broadcast_paused"] * 3)

    def test_cancel(self):
        """What waits is cancelled with the reason, what has left has left."""
        broadcast = self.start()
        self.run_job()
        gone, *_rest = self.texts(broadcast)
        self.force(gone, state="sent")
        broadcast.action_cancel()
        self.assertEqual(broadcast.state, "canceled")
        self.run_job()
        self.assertEqual(
            self.texts(broadcast).mapped("state"), ["sent", "canceled", "canceled"]
        )
        self.assertEqual(
            set(self.texts(broadcast)[1:].mapped("failure_type")),
            {"broadcast_canceled"},
        )
        self.assertFalse(broadcast.to_move)
        for name in ("action_resume", "action_start", "action_cancel"):
            with self.row(name), self.assertRaises(UserError):
                getattr(broadcast, name)()

    def test_canceled_in_the_middle(self):
        """Who was not expanded yet gets nothing."""
        with self.chunks_of(1):
            broadcast = self.start()
            with self.own_cursors():
                self.env["sms.broadcast"]._work_apart(broadcast.id)
            broadcast.action_cancel()
            self.run_job()
        self.assertEqual(self.texts(broadcast).mapped("state"), ["canceled"])

    def test_schedule(self):
        """It starts at its time, and not before."""
        broadcast = self.make(scheduled_at=fields.Datetime.now() + timedelta(hours=2))
        broadcast.action_check()
        broadcast.action_start()
        self.assertEqual(broadcast.state, "scheduled")
        self.run_job()
        self.assertEqual(broadcast.state, "scheduled")
        self.assertFalse(self.texts(broadcast))
        self.force(broadcast, scheduled_at=fields.Datetime.now() - timedelta(minutes=1))
        self.run_job()
        self.assertEqual(broadcast.state, "running")
        self.assertEqual(len(self.texts(broadcast)), 3)

    def test_unschedule(self):
        """A schedule is taken back by a button, or cancelled."""
        at = fields.Datetime.now() + timedelta(hours=2)
        broadcast = self.start(scheduled_at=at)
        broadcast.action_draft()
        self.assertEqual(broadcast.state, "draft")
        other = self.start(scheduled_at=at)
        other.action_cancel()
        self.run_job()
        self.assertEqual(other.state, "canceled")
        with self.assertRaisesRegex(UserError, "Send not after"):
            self.start(scheduled_at=at, expires_at=at - timedelta(hours=1))

    def test_rests_while_much_waits(self):
        """Expansion stays a little ahead of sending, and goes on after it."""
        self.env["ir.config_parameter"].set_param("sms_gateway_hub.broadcast_ahead", 2)
        with self.chunks_of(1):
            broadcast = self.start()
            self.run_job()
            self.assertEqual(len(self.texts(broadcast)), 2)
            self.deliver()
            self.run_job()
            self.assertEqual(len(self.texts(broadcast)), 3)

    def test_in_turn(self):
        """A big one does not keep a small one waiting."""
        with self.chunks_of(1):
            big, small = self.start(name="big"), self.start(name="small")
            with (
                self.own_cursors(),
                patch.object(const, "BROADCAST_BUDGET_S", 0.0),
            ):
                for broadcast_id in self.env["sms.broadcast"]._get_ids_at_work(
                    self.env
                ):
                    self.env["sms.broadcast"]._work_apart(broadcast_id)
            self.assertEqual((big.done_count, small.done_count), (1, 1))

    def test_notes(self):
        """A note on each record that gets the text, if wanted, tied to its text."""
        self.people[2].phone = False
        broadcast = self.start(keep_log=True, body="Hello {{ object.name }}")
        self.run_job()
        first, second, third = self.texts(broadcast)
        self.assertEqual(first.mail_message_id.res_id, self.people[0].id)
        self.assertIn("Hello Person 1", second.mail_message_id.body)
        self.assertFields(
            second.mail_message_id,
            {
                "model": "res.partner",
                "message_type": "sms",
                "author_id": self.manager.partner_id,
                "is_internal": True,
            },
        )
        self.assertFalse(third.mail_message_id)
        ids = (first + second).mail_message_id.mapped("message_id")
        self.assertEqual(len(set(filter(None, ids))), 2, "RFC 5322: an id is of one")
        plain = self.start()
        self.run_job()
        self.assertFalse(self.texts(plain).mail_message_id)

    def test_on_record(self):
        """A broadcast with texts is archived, one without is deleted."""
        broadcast = self.start()
        self.run_job()
        with self.assertRaises(UserError):
            broadcast.unlink()
        broadcast.action_archive()
        draft = self.make()
        draft.action_check()
        draft.unlink()
        self.assertFalse(draft.exists())

    def test_columns_of_a_text(self):
        """Each text carries what was chosen for the broadcast."""
        until = fields.Datetime.now().replace(microsecond=0) + timedelta(hours=5)
        broadcast = self.start(
            purpose="transactional", urgent=True, priority="1", expires_at=until
        )
        self.run_job()
        self.assertFields(
            self.texts(broadcast)[0],
            {
                "purpose": "transactional",
                "urgent": True,
                "priority": "1",
                "expires_at": until,
                "kind": "broadcast",
                "author_id": self.manager,
                "company_id": self.env.company,
                "res_model": "res.partner",
                "res_id": self.people[0].id,
                "partner_id": self.people[0],
            },
        )

    def test_queries_of_a_chunk(self):
        """Five times the recipients in a chunk cost hardly more queries."""
        counts = {}
        for size in (40, 200):
            self.tag, _people = self.make_people(size)
            broadcast = self.start(body="Hello {{ object.name }}")
            self.env.flush_all()
            self.env.invalidate_all()
            with self.own_cursors(), self.count_queries() as statements:
                self.env["sms.broadcast"]._work_apart(broadcast.id)
            self.assertEqual(len(self.texts(broadcast)), size)
            counts[size] = len(statements)
        self.assertLess(counts[200] - counts[40], 8, counts)
        self.assertLess(counts[200], 70, counts)
