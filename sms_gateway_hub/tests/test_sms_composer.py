# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people enter in the forms: each bad input gets words that say what to do."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import NUMBERS, SmsGatewayCase


class FormCase(SmsGatewayCase):
    """Gives the words that a person gets."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.new_user(
            "ada", "base.group_user,base.group_partner_manager", phone=NUMBERS[9]
        )
        cls.admin = cls.env.ref("base.user_admin")
        cls.past = fields.Datetime.now() - timedelta(hours=1)
        cls.soon = fields.Datetime.now() + timedelta(hours=1)
        cls.later = fields.Datetime.now() + timedelta(hours=2)

    def words(self, label, work):
        """Run what must be refused and return what the person reads."""
        try:
            with mute_logger("odoo.sql_db"):
                work()
                self.env.flush_all()
        except UserError as error:
            return str(error)
        except IntegrityError as error:
            # As Odoo does it for a call from the web client.
            self.env.cr.execute("ROLLBACK TO SAVEPOINT form")
            for model in self.env.registry.values():
                if model._table == error.diag.table_name:
                    return self.env[model._name]._sql_error_to_message(error)
            raise
        except AssertionError as error:
            # The web client marks the field; the test form says which.
            self.assertIn("required", str(error))
            return str(error)
        self.fail(f"{label}: it was accepted")

    def check_rows(self, rows):
        for label, work, words in rows:
            with self.row(label):
                self.env.cr.execute("SAVEPOINT form")
                self.assertIn(words, self.words(label, work))
                self.env.invalidate_all()
                self.assertFalse(self.messages_of(), "nothing was queued")


@tagged("post_install", "-at_install")
class TestComposerForm(FormCase):
    """The composer, for one contact, for numbers and for many."""

    def composer(self, records=None, mode="comment", user=None):
        context = {"default_composition_mode": mode}
        if records:
            context["default_res_model"] = records._name
            if mode == "mass":
                context["default_res_ids"] = repr(records.ids)
            else:
                context["default_res_id"] = records.id
        return Form(
            self.env["sms.composer"]
            .with_user(user or self.user)
            .with_context(**context)
        )

    def send(self, records=None, mode="comment", user=None, **values):
        if mode == "numbers":
            # Opened by code only: the form has no field for them.
            composer = self.env["sms.composer"].with_user(user or self.user)
            composer = composer.create(
                {"composition_mode": "numbers", "body": "Hello", **values}
            )
            return composer.action_send_sms()
        form = self.composer(records, mode, user)
        for name, value in {"body": "Hello", **values}.items():
            form[name] = value
        composer = form.save()
        if mode == "mass":
            return composer.action_sms_gateway_send_mass()
        return composer.action_send_sms()

    def test_single(self):
        """Bad inputs for one contact."""
        disabled = self.make_gateway(name="Broken", state="disabled")
        partner = self.partner
        nobody = self.env["res.partner"].create({"name": "Nobody"})
        self.check_rows(
            [
                ("empty", lambda: self.send(partner, body=False), "body is a required"),
                ("blanks", lambda: self.send(partner, body=" \n "), "write the text"),
                ("NUL only", lambda: self.send(partner, body="\x00"), "write the text"),
                (
                    "letters in the number",
                    lambda: self.send(partner, recipient_single_number_itf="Ada"),
                    "Invalid recipient number",
                ),
                (
                    "too short a number",
                    lambda: self.send(partner, recipient_single_number_itf="12"),
                    "Invalid recipient number",
                ),
                ("no number", lambda: self.send(nobody), "Invalid recipient number"),
                (
                    "schedule in the past",
                    lambda: self.send(partner, sms_gateway_scheduled_at=self.past),
                    "“Send not before” is in the past",
                ),
                (
                    "validity in the past",
                    lambda: self.send(partner, sms_gateway_expires_at=self.past),
                    "“Send not after” must be later",
                ),
                (
                    "validity before the schedule",
                    lambda: self.send(
                        partner,
                        sms_gateway_scheduled_at=self.later,
                        sms_gateway_expires_at=self.soon,
                    ),
                    "“Send not after” must be later",
                ),
                (
                    "a gateway that is off",
                    lambda: self.send(partner, sms_gateway_id=disabled),
                    "“Broken” is disabled",
                ),
                (
                    "an unknown field in the text",
                    lambda: self.send(
                        partner, user=self.admin, body="{{ object.no_such_field }}"
                    ),
                    "render",
                ),
                (
                    "half a placeholder",
                    lambda: self.send(partner, user=self.admin, body="{{ object. }}"),
                    "render",
                ),
                (
                    "code in the text, by who may not",
                    lambda: self.send(partner, body="{{ object.env.user.login }}"),
                    "Template",
                ),
            ]
        )

    def test_about_nothing(self):
        """A client that leaves out what the text is about gets no error of ours."""
        composer = self.env["sms.composer"].new(
            {"composition_mode": "comment", "res_model": False, "res_id": 1}
        )
        self.assertTrue(composer.sms_gateway_default_name)
        self.assertEqual(composer._sms_gateway_look_at_one(), (False, False))

    def test_numbers(self):
        """Bad inputs for bare numbers."""

        def send(numbers, **values):
            return self.send(mode="numbers", numbers=numbers, **values)

        self.check_rows(
            [
                ("letters", lambda: send("Ada"), "Ada"),
                ("one of two", lambda: send(f"{NUMBERS[0]}, 12"), "12"),
                ("commas", lambda: send(",,"), "enter at least one"),
                ("blanks", lambda: send(" "), "enter at least one"),
                ("none", lambda: send(False), "enter at least one"),
                ("no text", lambda: send(NUMBERS[0], body=" "), "write the text"),
                (
                    "past",
                    lambda: send(NUMBERS[0], sms_gateway_expires_at=self.past),
                    "“Send not after”",
                ),
            ]
        )

    def test_mass(self):
        """Bad inputs for many."""
        two = self.partner + self.partner.copy({"phone": NUMBERS[1]})

        def send(records=two, **values):
            return self.send(records, "mass", **values)

        self.check_rows(
            [
                (
                    "nobody selected",
                    lambda: self.env["res.partner"].action_sms_gateway_compose(),
                    "Select at least one",
                ),
                ("blanks", lambda: send(body="  "), "write the text"),
                (
                    "past schedule",
                    lambda: send(sms_gateway_scheduled_at=self.past),
                    "“Send not before”",
                ),
                (
                    "past validity",
                    lambda: send(sms_gateway_expires_at=self.past),
                    "“Send not after”",
                ),
                (
                    "a text that fits nobody",
                    lambda: send(user=self.admin, body="{{ object.no_such_field }}"),
                    "render",
                ),
                (
                    "code, by who may not",
                    lambda: send(body="{{ object.env.user.login }}"),
                    "Template",
                ),
            ]
        )

    def test_good(self):
        """The same forms let a good text through."""
        two = self.partner + self.partner.copy({"phone": NUMBERS[1]})
        for label, work, count in (
            ("single", lambda: self.send(self.partner), 1),
            (
                "planned",
                lambda: self.send(
                    self.partner,
                    sms_gateway_id=self.gateway,
                    sms_gateway_priority="1",
                    sms_gateway_scheduled_at=self.soon,
                    sms_gateway_expires_at=self.later,
                ),
                1,
            ),
            ("NUL within", lambda: self.send(self.partner, body="a\x00b"), 1),
            ("surrogate within", lambda: self.send(self.partner, body="a\ud800"), 1),
            (
                "numbers",
                lambda: self.send(mode="numbers", numbers=", ".join(NUMBERS[:3])),
                3,
            ),
            (
                "a comma too many, which is not the number of who sends",
                lambda: self.send(mode="numbers", numbers=f"{NUMBERS[0]}, ,"),
                1,
            ),
            ("mass", lambda: self.send(two, "mass"), 2),
        ):
            with self.row(label):
                work()
                self.assertEqual(self.messages_of().mapped("state"), ["queued"] * count)

    def test_too_long(self):
        """A text of a megabyte does no harm: it is kept as failed, with the reason."""
        self.send(self.partner, body="x" * 1000000)
        self.assertFields(
            self.messages_of(), {"state": "failed", "failure_type": "too_long"}
        )
        self.assertIn("SMS parts", self.messages_of().failure_reason)

    def test_defaults(self):
        """The form shows which gateway serves and which priority is usual."""
        form = self.composer(self.partner)
        self.assertEqual(form.sms_gateway_default_name, self.gateway.name)
        self.assertEqual(form.sms_gateway_priority, "2")
        two = self.partner + self.partner.copy({"phone": NUMBERS[1]})
        self.assertEqual(self.composer(two, "mass").sms_gateway_priority, "3")


@tagged("post_install", "-at_install")
class TestGatewayForm(FormCase):
    """The gateway's form."""

    gateway_values = {"code": "testing", "testing_key": "KEY-OF-THE-TEST"}

    def test_bad_settings(self):
        """Each bad setting is named, with what it must be."""

        def save(**values):
            form = Form(self.gateway.with_user(self.admin))
            for name, value in values.items():
                form[name] = value
            form.save()

        self.check_rows(
            [
                ("no name", lambda: save(name=False), "name is a required"),
                (
                    "letters in test numbers",
                    lambda: save(test_numbers=f"{NUMBERS[0]}, Ada"),
                    "“Ada”",
                ),
                (
                    "a national test number",
                    lambda: save(test_numbers="0170 1234567"),
                    "international form",
                ),
                (
                    "too long a sender",
                    lambda: save(sender="ACME Corporation"),
                    "at most 11",
                ),
                ("a sender of marks", lambda: save(sender="!!!"), "at most 11"),
                ("a sender with a line end", lambda: save(sender="ACME\n"), "11"),
                (
                    "an address that is none",
                    lambda: save(webhook_base_url="ftp://crm.example.com"),
                    "https://",
                ),
                (
                    "an address without host",
                    lambda: save(webhook_base_url="https://"),
                    "https://",
                ),
                ("no request at once", lambda: save(parallel_requests=0), "1 and 100"),
                ("too many", lambda: save(parallel_requests=101), "1 and 100"),
                ("a negative cap", lambda: save(max_rate=-1), "negative"),
                ("never given up", lambda: save(give_up_after_h=0), "1 and 720"),
                ("no part", lambda: save(max_segments=0), "1 and 255"),
                ("too many parts", lambda: save(max_segments=256), "1 and 255"),
            ]
        )

    def test_good_settings(self):
        """Good settings are taken."""
        for name, value in (
            ("test_numbers", f" {NUMBERS[0]} ,{NUMBERS[1]},"),
            ("sender", "ACME & Co."),
            ("sender", "+12025550100"),
            ("sender", "80800"),
            ("webhook_base_url", "https://crm.example.com:8443/odoo"),
            ("max_rate", 0.5),
        ):
            with self.row(f"{name}: {value}"):
                form = Form(self.gateway.with_user(self.admin))
                form[name] = value
                form.save()
                self.assertEqual(self.gateway[name], value)

    def test_used_gateway(self):
        """A gateway with messages cannot be deleted; one without can, and its job."""
        cron = self.gateway.sudo().cron_id
        self.enqueue()
        with self.assertRaisesRegex(UserError, "Archive it instead"):
            self.gateway.with_user(self.admin).unlink()
        unused = self.make_gateway(name="Unused")
        cron = unused.sudo().cron_id
        unused.unlink()
        self.assertFalse(cron.exists())

    def test_copy(self):
        """A copy is off, has its own job and address, and knows no secret."""
        copy = self.gateway.copy()
        self.assertEqual(copy.state, "disabled")
        self.assertNotEqual(copy.sudo().cron_id, self.gateway.sudo().cron_id)
        self.assertNotEqual(
            copy.sudo().webhook_token, self.gateway.sudo().webhook_token
        )
        self.assertFalse(copy.sudo().testing_key)

    def test_connection_test(self):
        """A kind of gateway that cannot test its connection says so."""
        with self.assertRaisesRegex(UserError, "no connection test"):
            self.gateway.with_user(self.admin).action_test_connection()


@tagged("post_install", "-at_install")
class TestMessageForm(FormCase):
    """The plan of a text that waits."""

    def test_bad_plans(self):
        """A plan that cannot be meant is refused with what to do."""
        message = self.enqueue(author_id=self.user.id, scheduled_at=self.later)

        def save(record=message, **values):
            form = Form(record.with_user(self.user))
            for name, value in values.items():
                form[name] = value
            form.save()

        for label, work, words in (
            ("past", lambda: save(scheduled_at=self.past), "in the future"),
            ("validity past", lambda: save(expires_at=self.past), "in the future"),
            (
                "validity before the schedule",
                lambda: save(expires_at=self.soon),
                "must be later",
            ),
            ("no priority", lambda: save(priority=False), "required"),
            (
                "schedule behind the validity",
                lambda: (
                    message.write({"expires_at": self.later + timedelta(hours=1)}),
                    save(scheduled_at=self.later + timedelta(hours=2)),
                ),
                "must be later",
            ),
            (
                "it left meanwhile",
                lambda: self.leaves(message, lambda: save(priority="1")),
                "this one left",
            ),
        ):
            with self.row(label):
                self.env.cr.execute("SAVEPOINT form")
                self.assertIn(words, self.words(label, work))

    def leaves(self, message, work):
        form = Form(message.with_user(self.user))
        form.priority = "1"
        self.force(message, state="sending")
        form.save()

    def test_good_plan(self):
        """A good plan is taken."""
        message = self.enqueue(author_id=self.user.id)
        form = Form(message.with_user(self.user))
        form.scheduled_at = self.soon
        form.expires_at = self.later
        form.priority = "3"
        form.save()
        self.assertFields(
            message,
            {
                "scheduled_at": self.soon,
                "due_at": self.soon,
                "expires_at": self.later,
                "priority": "3",
            },
        )


@tagged("post_install", "-at_install")
class TestRuleForm(FormCase):
    """A rule of the sandbox, on its gateway's form."""

    def test_bad_rules(self):
        """Each bad rule is refused with what it must be."""

        def save(**values):
            form = Form(self.gateway.with_user(self.admin))
            with form.sandbox_rule_ids.new() as rule:
                for name, value in values.items():
                    rule[name] = value
            form.save()

        self.check_rows(
            [
                ("before now", lambda: save(delay_s=-1), "between 0 and 86400"),
                ("in two days", lambda: save(delay_s=172800), "between 0 and 86400"),
                ("money back", lambda: save(cost=-0.5), "must not be negative"),
                ("no outcome", lambda: save(outcome=False), "outcome"),
                ("letters at the end", lambda: save(number_suffix="12a"), "digits"),
                ("blanks at the end", lambda: save(number_suffix="0 1"), "digits"),
            ]
        )


@tagged("post_install", "-at_install")
class TestComposerNumbers(FormCase):
    """Which numbers are texted, and what is said before."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner.phone = False
        for number, label in zip(NUMBERS[:3], ("mobile", "work", "home"), strict=True):
            cls.env["res.partner.mobile"].create(
                {"partner_id": cls.partner.id, "number": number, "label": label}
            )
        cls.second = cls.env["res.partner"].create(
            {"name": "Second", "mobile": NUMBERS[5]}
        )
        cls.none = cls.env["res.partner"].create({"name": "No number"})

    def compose(self, records, mode, user=None, **values):
        context = {
            "default_composition_mode": mode,
            "default_res_model": records._name,
        }
        if mode == "mass":
            context["default_res_ids"] = repr(records.ids)
            values.setdefault("mass_keep_log", False)
        else:
            context["default_res_id"] = records.id
        composers = self.env["sms.composer"].with_user(user or self.env.user)
        return composers.with_context(**context).create({"body": "Hello", **values})

    def test_choice_of_numbers(self):
        """Best, best of a label or all, for one contact and for many; each once."""
        label = {"sms_gateway_number_choice": "label"}
        for choice, one, many in (
            ({}, [0], [0, 5]),
            ({**label, "sms_gateway_number_label": "work"}, [1], [1]),
            ({"sms_gateway_number_choice": "all"}, [0, 1, 2], [0, 1, 2, 5]),
        ):
            for mode, records, expected in (
                ("comment", self.partner, one),
                ("mass", self.partner + self.second, many),
            ):
                with self.row(f"{choice} {mode}"):
                    self.compose(records, mode, **choice).action_send_sms()
                    messages = self.messages_of([("state", "=", "queued")])
                    self.assertEqual(
                        sorted(messages.mapped("number")),
                        sorted(NUMBERS[n] for n in expected),
                    )
                    self.assertTrue(all(message.partner_id for message in messages))

    def test_what_will_happen_is_said_before(self):
        """The composer counts who gets it, who not and why."""
        refused = self.env["res.partner"].create(
            {"name": "Refused", "mobile": NUMBERS[6]}
        )
        self.env["sms.consent"]._record(NUMBERS[6], "opted_out", method="phone")
        twin = self.env["res.partner"].create({"name": "Twin", "mobile": NUMBERS[5]})
        records = self.partner + self.second + self.none + refused + twin
        composer = self.compose(records, "mass", body="Hi {{ object.name }}")
        for words in (
            "2 will get it",
            "3 will not",
            "1 no valid number",
            "1 recipient opted out",
            "1 same number as another",
        ):
            self.assertIn(words, composer.sms_gateway_outlook)
        self.assertEqual(composer.sms_gateway_preview, "Hi Ada Lovelace")

    def test_a_refusal_is_said_before_and_holds(self):
        """Who refused is not texted; the reason is on screen and in the error."""
        self.env["sms.consent"]._record(
            NUMBERS[1], "opted_out", method="keyword", partner_id=self.partner.id
        )
        composer = self.compose(self.partner, "comment")
        self.assertIn("refused texts", composer.sms_gateway_refusal)
        with self.assertRaisesRegex(UserError, "refused texts"):
            composer.action_send_sms()
        self.assertFalse(self.messages_of())

    def test_quiet_hours_are_said_before(self):
        """A text that will wait says until when; a manager's urgent one does not."""
        hour = fields.Datetime.now().replace(tzinfo=UTC)
        hour = hour.astimezone(ZoneInfo("America/New_York")).hour
        self.gateway.write(
            {
                "quiet_hours": True,
                "quiet_from": (hour - 1) % 24,
                "quiet_to": (hour + 3) % 24,
            }
        )
        composer = self.compose(self.partner, "comment")
        self.assertFalse(composer.sms_gateway_refusal)
        self.assertIn("quiet hours", composer.sms_gateway_outlook)
        urgent = self.compose(self.partner, "comment", sms_gateway_urgent=True)
        self.assertFalse(urgent.sms_gateway_outlook)

    def test_a_gateway_that_is_off_is_said_before(self):
        """The contact's own gateway is named when it cannot send."""
        own = self.make_gateway(name="Own choice")
        self.partner.sms_gateway_id = own
        own.state = "disabled"
        composer = self.compose(self.partner, "comment")
        self.assertIn("Own choice", composer.sms_gateway_refusal)

    def test_many_by_other_ways_are_a_mass_text(self):
        """Several numbers, or several records in comment mode, are one as well."""
        composers = self.env["sms.composer"].with_user(self.user)
        both = self.partner + self.second
        for label, values, kind, purpose in (
            (
                "one number",
                {"composition_mode": "numbers", "numbers": NUMBERS[7]},
                "single",
                "transactional",
            ),
            (
                "two numbers",
                {
                    "composition_mode": "numbers",
                    "numbers": f"{NUMBERS[7]}, {NUMBERS[8]}",
                },
                "broadcast",
                "marketing",
            ),
            (
                "two records",
                {
                    "composition_mode": "comment",
                    "res_model": "res.partner",
                    "res_ids": repr(both.ids),
                },
                "broadcast",
                "marketing",
            ),
        ):
            with self.row(label):
                composers.create(
                    {"body": "Hi", "sms_gateway_purpose": "transactional", **values}
                ).action_send_sms()
                messages = self.messages_of()
                self.assertTrue(messages)
                self.assertEqual(set(messages.mapped("kind")), {kind})
                self.assertEqual(set(messages.mapped("purpose")), {purpose})

    def test_a_mass_text_of_a_user_is_marketing(self):
        """Only managers may say that a text to many is something else."""
        manager = self.new_user(
            "boss",
            "base.group_user,base.group_partner_manager,sms_gateway_hub.group_manager",
        )
        for user, purpose in ((self.user, "marketing"), (manager, "transactional")):
            with self.row(user.name):
                self.compose(
                    self.partner + self.second,
                    "mass",
                    user=user,
                    sms_gateway_purpose="transactional",
                ).action_send_sms()
                self.assertEqual(set(self.messages_of().mapped("purpose")), {purpose})
