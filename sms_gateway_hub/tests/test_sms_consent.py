# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The consent ledger, what people text, and Odoo's blacklist in step with it."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import const
from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase


@tagged("post_install", "-at_install")
class ConsentCase(SmsGatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.consents = cls.env["sms.consent"]
        cls.partner.write({"phone": False, "mobile_ids": [(5,)]})
        for number in NUMBERS[:3]:
            cls.env["res.partner.mobile"].create(
                {"partner_id": cls.partner.id, "number": number}
            )

    def text_in(self, body, number=NUMBERS[0], gateway=None):
        """Let a text come in, as its event would; returns the message."""
        self.counter = getattr(self, "counter", 0) + 1
        return self.env["sms.gateway.message"]._receive(
            gateway or self.gateway,
            InboundMessage(
                event_key=f"in-{self.counter}",
                number=number,
                body=body,
                sent_at=fields.Datetime.now(),
            ),
        )

    def answers(self):
        """Return the automatic answers so far, oldest first."""
        return self.messages_of([("exempt", "=", "answer")])

    def acts(self, number=NUMBERS[0]):
        return (
            self.consents.search([("number", "=", number)]).sorted("id").mapped("act")
        )


class TestKeywords(ConsentCase):
    """What people text changes what they get."""

    def test_stop_is_confirmed_once_and_blocks(self):
        """STOP is on record with its text, blocks, and is answered by one text."""
        stop = self.text_in("Stop.")
        self.assertEqual(stop.keyword_family, "stop")
        self.assertEqual(self.acts(), ["opted_out"])
        row = self.consents.search([("number", "=", NUMBERS[0])])
        self.assertFields(
            row,
            {
                "message_id": stop,
                "partner_id": self.partner,
                "wording": "Stop.",
                "method": "keyword",
                "scope": "all",
            },
        )
        self.assertEqual(len(row.wording_hash), 64)
        self.assertEqual(len(self.answers()), 1)
        self.assertIn("START", self.answers().body)
        self.text_in("STOP")
        self.assertEqual(len(self.answers()), 1)
        self.run_sender()
        self.assertEqual(self.answers().state, "sent")
        blacklist = self.env["phone.blacklist"].search([("number", "=", NUMBERS[0])])
        self.assertTrue(blacklist)

    def test_stop_cancels_what_waits(self):
        """Nothing that was queued for the person leaves, on none of their numbers."""
        queued = self.enqueue(
            3,
            partner_id=[self.partner.id, self.partner.id, False],
            number=[NUMBERS[0], NUMBERS[1], NUMBERS[5]],
        )
        self.text_in("STOP", NUMBERS[1])
        self.assertEqual(queued.mapped("state"), ["canceled", "canceled", "queued"])
        self.assertEqual(queued[0].failure_type, "opted_out")
        self.run_sender()
        self.assertEqual(queued.mapped("state"), ["canceled", "canceled", "sent"])

    def test_all_numbers_of_the_person_show_it(self):
        """After STOP no number of the person looks free; START frees all again."""
        self.text_in("STOP", NUMBERS[1])
        mobiles = self.partner.mobile_ids
        self.assertEqual(set(mobiles.mapped("blocked")), {True})
        self.assertEqual(set(mobiles.mapped("consent_state")), {"opted_out"})
        added = self.env["res.partner.mobile"].create(
            {"partner_id": self.partner.id, "number": NUMBERS[8]}
        )
        self.assertTrue(added.blocked)
        self.text_in("START", NUMBERS[1])
        self.assertEqual(set((mobiles + added).mapped("blocked")), {False})

    def test_nothing_is_queued_after_stop(self):
        """A text to any number of the person is refused, with the reason."""
        self.text_in("STOP", NUMBERS[1])
        messages = self.enqueue(3, partner_id=self.partner.id)
        self.assertEqual(set(messages.mapped("state")), {"canceled"})
        self.assertEqual(set(messages.mapped("failure_type")), {"opted_out"})
        self.assertIn("refused", messages[0].failure_reason)

    def test_the_gate_is_asked_again_when_claimed(self):
        """A block that was written past the ledger still stops a queued text."""
        message = self.enqueue()
        self.env.cr.execute(
            "INSERT INTO phone_blacklist (number, active) VALUES (%s, TRUE)",
            [NUMBERS[0]],
        )
        self.run_sender()
        self.assertFields(message, {"state": "canceled", "failure_type": "blacklisted"})

    def test_start_reverses_stop(self):
        """START lifts what STOP set, is on record, and is confirmed once."""
        self.text_in("STOP")
        self.text_in("start")
        self.assertEqual(self.acts(), ["opted_out", "opted_in"])
        self.assertEqual(len(self.answers()), 2)
        self.assertFalse(
            self.env["phone.blacklist"].search([("number", "=", NUMBERS[0])])
        )
        self.assertEqual(self.enqueue().state, "queued")
        self.text_in("START")
        self.assertEqual(len(self.answers()), 2)

    def test_start_does_not_lift_a_block_of_the_staff(self):
        """Whom somebody put on the blacklist does not come off it by a text."""
        self.env["phone.blacklist"].create({"number": NUMBERS[0]})
        self.assertEqual(self.acts(), ["blacklisted"])
        self.text_in("START")
        self.assertEqual(self.acts(), ["blacklisted"])
        self.assertFalse(self.answers())
        self.assertEqual(self.enqueue().failure_type, "blacklisted")

    def test_a_number_that_may_not_be_changed_by_text(self):
        """Numbers of machines: neither STOP nor START does or answers anything."""
        self.env["phone.blacklist"].create(
            {"number": NUMBERS[0], "sms_gateway_can_opt_in": False}
        )
        self.text_in("STOP")
        self.text_in("START")
        self.assertEqual(self.acts(), ["blacklisted"])
        self.assertFalse(self.answers())

    def test_machines_do_not_talk_for_ever(self):
        """HELP is answered, also to who refused, at most six answers an hour."""
        self.text_in("STOP")
        for _n in range(9):
            self.text_in("HELP")
        self.assertEqual(len(self.answers()), 6)
        for body in ("START", "STOP") * 10:
            self.text_in(body)
        self.assertEqual(len(self.answers()), 12)
        self.assertEqual(self.consents._get_last(NUMBERS[0]).act, "opted_out")

    def test_nobody_is_answered_who_cannot_be_texted(self):
        """A name, a short code or our own number as sender gets no answer."""
        self.gateway.sender = NUMBERS[9]
        for sender in ("Bank", "12345", NUMBERS[9]):
            with self.row(sender):
                message = self.text_in("STOP", sender)
                self.assertFalse(message.keyword_family)
                self.assertFalse(self.answers())

    def test_stop_without_confirmation(self):
        """Where the operator confirms, the hub stays silent."""
        self.gateway.confirm_stop = False
        self.text_in("STOP")
        self.assertEqual(self.acts(), ["opted_out"])
        self.assertFalse(self.answers())

    def test_answer_in_the_language_of_the_person(self):
        """A word of one language decides, else the contact's language."""
        self.env["res.lang"]._activate_lang("fr_FR")
        self.partner.lang = "fr_FR"
        for body, words in (("STOPP", "keine"), ("STOP", "plus de SMS")):
            with self.row(body):
                self.text_in(body)
                self.assertIn(words, self.answers().body)

    def test_own_words_of_the_gateway(self):
        """The gateway's own answer is used, with the company's name."""
        self.gateway.stop_answer = "Bye from {company}. {unknown}"
        self.text_in("STOP")
        self.assertEqual(
            self.answers().body, f"Bye from {self.env.company.name}. {{unknown}}"
        )

    def test_yes_without_a_question_means_something_else(self):
        """YES is no agreement unless we asked."""
        message = self.text_in("Yes")
        self.assertFalse(message.keyword_family)
        self.assertFalse(self.acts())

    def test_a_longer_text_is_for_a_person_to_decide(self):
        """What reads like a refusal holds marketing until somebody decided."""
        message = self.text_in("please stop texting me")
        self.assertFalse(message.keyword_family)
        self.assertTrue(message.may_be_refusal)
        self.assertEqual(self.acts(), ["possible_opt_out"])
        marketing = self.enqueue(purpose="marketing", kind="broadcast")
        self.assertFields(marketing, {"state": "queued", "hold": "possible_opt_out"})
        service = self.enqueue(purpose="transactional", uuid="b" * 32)
        self.assertFalse(service.hold)
        found = self.env["sms.gateway.message"].search([("may_be_refusal", "=", True)])
        self.assertIn(message, found)
        self.assertTrue(self.partner.activity_ids)
        message.action_not_opt_out()
        self.assertFalse(marketing.hold)
        self.assertFalse(message.may_be_refusal)
        self.assertFalse(self.partner.activity_ids)
        self.run_sender()
        self.assertEqual(marketing.state, "sent")

    def test_the_person_ends_the_doubt(self):
        """START, or an agreement on record, lets held marketing go on as well."""
        self.text_in("please stop texting me")
        marketing = self.enqueue(purpose="marketing")
        self.assertEqual(marketing.hold, "possible_opt_out")
        self.text_in("START")
        self.assertFalse(marketing.hold)
        self.assertFalse(self.partner.activity_ids)
        self.run_sender()
        self.assertEqual(marketing.state, "sent")

    def test_one_click_records_the_refusal(self):
        """A user decides that a text meant "no more": nothing leaves any more."""
        user = self.new_user("decider", "sms_gateway_hub.group_user,base.group_user")
        message = self.text_in("please stop texting me")
        marketing = self.enqueue(purpose="marketing")
        message.with_user(user).action_opt_out()
        self.assertEqual(marketing.state, "canceled")
        self.assertEqual(self.acts(), ["possible_opt_out", "opted_out"])
        last = self.consents._get_last(NUMBERS[0])
        self.assertEqual(last.user_id, user)

    def test_what_the_gateway_says_of_a_refusal_is_mirrored(self):
        """A text that the provider refuses because of its own STOP is a refusal."""
        message = self.enqueue(partner_id=self.partner.id)
        self.force(message, state="failed", failure_type="opted_out", to_sync=True)
        self.env["sms.gateway.message"]._sync()
        self.assertEqual(self.acts(), ["opted_out"])
        self.assertEqual(self.consents._get_last(NUMBERS[0]).method, "gateway")

    def test_a_reply_belongs_to_the_text_before(self):
        """An incoming text knows the text of ours that it follows."""
        message = self.enqueue()
        self.run_sender()
        self.assertEqual(self.text_in("ok").answers_id, message)


class TestRefusalsHold(ConsentCase):
    """A refusal is not undone by the way."""

    def refused(self, number, **values):
        """Return why the gate refuses a number now, or False."""
        item = {"number": number, "purpose": "transactional", **values}
        self.env.flush_all()
        decision = self.env["sms.gateway.gate"]._check(self.gateway, [item])[0]
        return decision and decision.failure_type

    def test_other_numbers_of_the_person(self):
        """A STOP holds on all numbers, whoever and whatever they are texted as."""
        twin = self.env["res.partner"].create({"name": "Twin"})
        twin.mobile_ids = [(0, 0, {"number": NUMBERS[1]})]
        waiting = self.enqueue(1, number=NUMBERS[1])
        self.text_in("STOP", NUMBERS[0])
        self.assertEqual(waiting.state, "canceled")
        for label, values in (
            ("no contact", {}),
            ("another contact", {"partner_id": twin.id}),
            ("the person", {"partner_id": self.partner.id}),
        ):
            with self.row(label):
                self.assertEqual(self.refused(NUMBERS[1], **values), "opted_out")
        self.partner.unlink()
        again = self.env["res.partner"].create({"name": "Again"})
        again.mobile_ids = [(0, 0, {"number": NUMBERS[2]})]
        self.assertEqual(self.refused(NUMBERS[2], partner_id=again.id), "opted_out")

    def test_an_import_again(self):
        """The same file once more neither repeats nor undoes anything."""
        mobile = self.partner.mobile_ids[0]
        told = {"consent": "opted_in", "consent_wording": "I agree"}
        mobile.write(told)
        mobile.write(told)
        self.assertEqual(self.acts(), ["opted_in"])
        self.text_in("STOP")
        mobile.write(told)
        self.assertEqual(self.acts(), ["opted_in", "opted_out"])
        self.assertEqual(self.refused(NUMBERS[0]), "opted_out")
        mobile.write({**told, "consent_at": "2020-01-01 12:00:00"})
        self.assertEqual(self.refused(NUMBERS[0]), "opted_out")

    def test_the_blacklist_is_apart(self):
        """What the staff does to the list undoes nothing that the person said."""
        blacklist = self.env["phone.blacklist"]
        self.consents._record(NUMBERS[0], "opted_out", scope="marketing", method="form")
        blacklist._add([NUMBERS[0]])
        blacklist._remove([NUMBERS[0]])
        self.assertEqual(self.refused(NUMBERS[0], purpose="marketing"), "opted_out")
        self.assertFalse(self.refused(NUMBERS[0]))
        self.text_in("STOP", NUMBERS[3])
        self.consents._record(
            NUMBERS[3], "opted_in", scope="marketing", method="form", wording="ok"
        )
        with self.assertRaises(UserError):
            blacklist._remove([NUMBERS[3]])
        blacklist._add([NUMBERS[4]])
        for body in ("STOP", "START"):
            self.text_in(body, NUMBERS[4])
        self.assertTrue(self.refused(NUMBERS[4]))

    def test_marketing_for_the_person(self):
        """Who refused marketing gets none on another number either."""
        self.consents._record(
            NUMBERS[0],
            "opted_out",
            scope="marketing",
            method="form",
            partner_id=self.partner.id,
        )
        item = {"partner_id": self.partner.id}
        self.assertEqual(
            self.refused(NUMBERS[1], purpose="marketing", **item), "opted_out"
        )
        self.assertFalse(self.refused(NUMBERS[1], **item))

    def test_an_old_agreement_lifts_no_erasure(self):
        """What was true before the erasure, or is imported, does not undo it."""
        self.env["sms.erase"].create(
            {"number": NUMBERS[5], "reason": "x"}
        ).action_erase()
        for values in (
            {"method": "form", "at": "2020-01-01 12:00:00"},
            {"method": "import"},
            {"method": "form", "scope": "marketing"},
        ):
            with self.row(str(values)):
                self.consents._record(NUMBERS[5], "opted_in", wording="ok", **values)
                self.assertEqual(self.refused(NUMBERS[5]), "opted_out")

    def test_erasing_one_number_frees_no_other(self):
        """The person's other numbers stay refused when the one is erased."""
        self.text_in("STOP", NUMBERS[0])
        self.env["sms.erase"].create(
            {"number": NUMBERS[0], "reason": "x"}
        ).action_erase()
        self.assertEqual(self.refused(NUMBERS[1]), "opted_out")

    def test_the_unsubscribe_page(self):
        """Who unsubscribes on Odoo's page refused: that is no block by the staff."""
        public = self.env.ref("base.public_user")
        self.env["phone.blacklist"].with_user(public).sudo().add(NUMBERS[0])
        self.assertEqual(self.acts(), ["opted_out"])
        self.assertEqual(
            self.refused(NUMBERS[1], partner_id=self.partner.id), "opted_out"
        )

    def test_a_list_from_before(self):
        """What the blacklist held before the hub came is in the ledger."""
        self.env.cr.execute(
            "INSERT INTO phone_blacklist (number, active) VALUES (%s, TRUE)",
            [NUMBERS[7]],
        )
        self.consents._import_blacklist()
        self.consents._import_blacklist()
        self.assertEqual(self.acts(NUMBERS[7]), ["blacklisted"])
        self.text_in("START", NUMBERS[7])
        self.assertEqual(self.refused(NUMBERS[7]), "blacklisted")

    def test_an_old_refusal_cancels_nothing(self):
        """A refusal from before the agreement in force does not cancel what waits."""
        self.consents._record(NUMBERS[0], "opted_in", method="form", wording="ok")
        message = self.enqueue()
        self.consents._record(
            NUMBERS[0], "opted_out", method="import", at="2020-01-01 12:00:00"
        )
        self.assertEqual(message.state, "queued")

    def test_what_is_held_is_let_go(self):
        """A hold that was stored after the decision does not last for ever."""
        message = self.enqueue(purpose="marketing")
        self.force(message, hold="possible_opt_out", due_at=const.NEVER)
        self.run_sender()
        self.assertEqual(message.state, "sent")

    def test_a_refusal_told_by_a_gateway_survives_trouble(self):
        """An error with another outcome does not cost the refusal."""
        dead, refused = self.enqueue(2, partner_id=self.partner.id)
        self.force(dead, state="failed", failure_type="number_dead", to_sync=True)
        self.force(refused, state="failed", failure_type="opted_out", to_sync=True)
        self.patch(
            type(self.env["sms.gateway.message"]),
            "_mark_dead",
            lambda model, rows: 1 / 0,
        )
        with mute_logger("odoo.addons.sms_gateway_hub.models.sms_gateway_message"):
            self.env["sms.gateway.message"]._sync()
        self.assertEqual(self.acts(NUMBERS[1]), ["opted_out"])

    def test_a_question_sent_again_can_be_answered(self):
        """YES answers a question that failed at first and was sent again."""
        self.partner.action_sms_gateway_ask_consent()
        question = self.messages_of([("exempt", "=", "question")])
        self.force(question, state="failed")
        question.action_send_again()
        self.text_in("yes")
        self.assertEqual(self.acts()[-1], "opted_in")


class TestDoubleOptIn(ConsentCase):
    """A question, its answer, and both in the ledger."""

    def test_question_answer_and_proof(self):
        """YES after the question is an agreement that names question and answer."""
        self.gateway.consent_policy = "opt_in"
        self.assertEqual(
            self.enqueue(partner_id=self.partner.id).failure_type, "no_consent"
        )
        self.partner.action_sms_gateway_ask_consent()
        question = self.messages_of([("exempt", "=", "question")])
        self.assertEqual(question.state, "queued")
        self.run_sender()
        self.assertEqual(self.partner.sms_gateway_consent_state, "asked")
        answer = self.text_in("yes!")
        self.assertEqual(answer.keyword_family, "confirm")
        row = self.consents._get_last(NUMBERS[0])
        self.assertFields(
            row,
            {
                "act": "opted_in",
                "message_id": answer,
                "wording": question.body,
            },
        )
        self.assertEqual(row.question_id.message_id, question)
        self.assertEqual(self.partner.sms_gateway_consent_state, "opted_in")
        self.assertEqual(len(self.answers()), 1)
        self.assertEqual(
            self.enqueue(uuid="c" * 32, partner_id=self.partner.id).state, "queued"
        )

    def test_a_question_is_not_repeated(self):
        """Who was asked within a day, agreed or refused is not asked."""
        self.partner.action_sms_gateway_ask_consent()
        self.partner.action_sms_gateway_ask_consent()
        self.assertEqual(len(self.messages_of([("exempt", "=", "question")])), 1)
        self.text_in("STOP")
        self.env.cr.execute("UPDATE sms_consent SET at = at - interval '2 days'")
        self.env.invalidate_all()
        self.partner.action_sms_gateway_ask_consent()
        self.assertEqual(len(self.messages_of([("exempt", "=", "question")])), 1)

    def test_no_is_a_refusal_when_asked(self):
        """NO refuses after the question, and says nothing without it."""
        self.text_in("No")
        self.assertEqual(self.acts(), [])
        self.partner.action_sms_gateway_ask_consent()
        answer = self.text_in("No, thanks!")
        self.assertEqual(answer.keyword_family, "stop")
        self.assertEqual(self.acts(), ["asked", "opted_out"])

    def test_who_did_not_get_the_question_was_not_asked(self):
        """A question that failed does not count, and may be sent again."""
        self.partner.action_sms_gateway_ask_consent()
        question = self.messages_of([("exempt", "=", "question")])
        self.assertEqual(self.consents._get_states([NUMBERS[0]])[NUMBERS[0]], "asked")
        self.force(question, state="failed")
        self.assertEqual(self.consents._get_states([NUMBERS[0]])[NUMBERS[0]], "none")
        self.partner.action_sms_gateway_ask_consent()
        self.assertEqual(len(self.messages_of([("exempt", "=", "question")])), 2)

    def test_an_old_question_is_closed(self):
        """YES a week later answers something else."""
        self.partner.action_sms_gateway_ask_consent()
        self.env.cr.execute("UPDATE sms_consent SET at = at - interval '8 days'")
        self.env.invalidate_all()
        self.text_in("yes")
        self.assertEqual(self.acts(), ["asked"])


class TestLedger(ConsentCase):
    """The ledger is proof."""

    def test_rows_cannot_be_changed_by_anybody(self):
        """Neither written nor deleted, by no group and not as superuser."""
        row = self.consents._record(NUMBERS[0], "opted_in", method="form", wording="ok")
        groups = (
            "base.group_user",
            "sms_gateway_hub.group_manager",
            "sms_gateway_hub.group_administrator",
            "base.group_system",
            "base.group_portal",
            "base.group_public",
        )
        for group in groups:
            with self.row(group):
                user = self.new_user("ledger", group)
                as_user = row.with_user(user)
                with self.assertRaises(UserError):
                    as_user.write({"act": "opted_out"})
                with self.assertRaises(UserError):
                    as_user.unlink()
                with self.assertRaises(AccessError):
                    as_user.create(
                        {"number": NUMBERS[1], "act": "opted_in", "method": "form"}
                    )
        with self.assertRaises(UserError):
            row.write({"act": "opted_out"})
        with self.assertRaises(UserError):
            row.unlink()

    def test_bad_values(self):
        """A number that is none, and a time to come, are refused with their name."""
        later = fields.Datetime.now() + timedelta(days=1)
        for number, values, words in (
            ("0171 2345", {}, "0171 2345"),
            ("", {}, "international"),
            (NUMBERS[0], {"at": later}, "time to come"),
        ):
            with self.row(words), self.assertRaisesRegex(ValidationError, words):
                self.consents._record(number, "opted_in", **values)

    def test_the_latest_decision_counts(self):
        """An agreement of before does not undo a refusal of after."""
        before = fields.Datetime.now() - timedelta(days=400)
        self.consents._record(NUMBERS[0], "opted_out", method="phone")
        self.consents._record(NUMBERS[0], "opted_in", method="import", at=before)
        self.assertEqual(
            self.consents._get_states([NUMBERS[0], NUMBERS[1]]),
            {NUMBERS[0]: "opted_out", NUMBERS[1]: "none"},
        )
        self.assertEqual(self.enqueue().failure_type, "opted_out")

    def test_marketing_alone(self):
        """Who refused marketing gets service texts and answers, and no marketing."""
        self.consents._record(NUMBERS[0], "opted_out", method="form", scope="marketing")
        for purpose, state in (
            ("marketing", "canceled"),
            ("transactional", "queued"),
            ("conversational", "queued"),
        ):
            with self.row(purpose):
                self.assertEqual(self.enqueue(purpose=purpose).state, state)
        self.assertFalse(
            self.env["phone.blacklist"].search([("number", "=", NUMBERS[0])])
        )

    def test_blacklist_in_step(self):
        """What is done to Odoo's list is in the ledger, and the other way round."""
        entry = self.env["phone.blacklist"].create({"number": NUMBERS[0]})
        entry.action_archive()
        entry.action_unarchive()
        entry.unlink()
        self.assertEqual(
            self.acts(), ["blacklisted", "cleared", "blacklisted", "cleared"]
        )
        self.consents._record(NUMBERS[0], "opted_out", method="phone")
        listed = self.env["phone.blacklist"].search([("number", "=", NUMBERS[0])])
        self.assertTrue(listed)
        mobile = self.partner.mobile_ids[0]
        self.assertTrue(mobile.blocked)
        self.consents._record(NUMBERS[0], "opted_in", method="form", wording="ok")
        self.assertFalse(listed.active)
        self.assertFalse(mobile.blocked)

    def test_who_refused_does_not_come_off_the_list_without_proof(self):
        """The blacklist's own buttons cannot undo a person's STOP."""
        self.text_in("STOP")
        listed = self.env["phone.blacklist"].search([("number", "=", NUMBERS[0])])
        for action in ("action_archive", "unlink"):
            with (
                self.row(action),
                self.assertRaisesRegex(UserError, "Record consent"),
            ):
                getattr(listed, action)()

    def test_policy(self):
        """Which texts leave without consent on record, by policy and purpose."""
        rows = [
            # policy, prefixes, purpose, kind, passes
            ("opt_out", False, "marketing", "broadcast", True),
            ("opt_out", "+1", "conversational", "single", False),
            ("opt_out", "+49", "marketing", "broadcast", True),
            ("opt_in_marketing", False, "marketing", "broadcast", False),
            ("opt_in_marketing", False, "transactional", "automatic", True),
            ("opt_in", False, "transactional", "automatic", False),
            ("opt_in", False, "conversational", "single", False),
        ]
        for policy, prefixes, purpose, kind, passes in rows:
            with self.row(f"{policy} {prefixes} {purpose}"):
                self.gateway.write(
                    {"consent_policy": policy, "opt_in_prefixes": prefixes}
                )
                message = self.enqueue(purpose=purpose, kind=kind)
                self.assertEqual(message.state == "queued", passes)
                self.consents._record(
                    NUMBERS[0], "opted_in", method="form", wording="ok"
                )
                message = self.enqueue(purpose=purpose, kind=kind, uuid="d" * 32)
                self.assertEqual(message.state, "queued")

    def test_who_texts_us_is_answered(self):
        """Without consent on record a person may be answered, not advertised to."""
        self.gateway.consent_policy = "opt_in"
        self.text_in("What are your hours?")
        self.assertEqual(self.enqueue(kind="reply").state, "queued")
        self.assertEqual(
            self.enqueue(purpose="marketing", uuid="e" * 32).failure_type,
            "no_consent",
        )

    def test_the_contact_tells_the_story(self):
        """The contact shows all rows of the person and of any number, in order."""
        self.text_in("STOP", NUMBERS[1])
        self.text_in("START", NUMBERS[1])
        self.consents._record(NUMBERS[2], "opted_in", method="form", wording="ok")
        self.partner.invalidate_recordset()
        self.assertEqual(
            self.partner.sms_gateway_consent_ids.mapped("act"),
            ["opted_in", "opted_in", "opted_out"],
        )
        found = self.env["res.partner"].search(
            [("sms_gateway_consent_state", "=", "none")]
        )
        self.assertIn(self.partner, found)

    def test_search_by_state(self):
        """Contacts are found by what is on record."""
        for act, state in (("opted_in", "opted_in"), ("opted_out", "opted_out")):
            with self.row(act):
                self.consents._record(
                    NUMBERS[0],
                    act,
                    method="form",
                    wording="ok",
                    partner_id=self.partner.id,
                )
                found = self.env["res.partner"].search(
                    [("sms_gateway_consent_state", "=", state)]
                )
                self.assertIn(self.partner, found)
                self.assertEqual(self.partner.sms_gateway_consent_state, state)
                others = self.env["res.partner"].search(
                    [("sms_gateway_consent_state", "!=", state)]
                )
                self.assertNotIn(self.partner, others)

    def test_the_proof_can_be_printed(self):
        """The report holds words, fingerprint and texts, escaped."""
        self.text_in("STOP")
        self.consents._record(
            NUMBERS[1], "opted_in", method="form", wording="<b>ok</b> {{ 7*7 }}"
        )
        html, kind = self.env["ir.actions.report"]._render_qweb_html(
            "sms_gateway_hub.report_sms_consent", self.partner.ids
        )
        self.assertEqual(kind, "html")
        text = html.decode()
        self.assertIn("&lt;b&gt;ok&lt;/b&gt; {{ 7*7 }}", text)
        self.assertIn("SHA-256", text)
        self.assertIn(NUMBERS[0], text)


class TestRecordWizard(ConsentCase):
    """Consent that was given elsewhere, for a selection."""

    def record(self, user, **values):
        wizard = (
            self.env["sms.consent.record"]
            .with_user(user)
            .create({"partner_ids": self.partner.ids, **values})
        )
        return wizard.action_record()

    def test_a_manager_records_an_agreement_with_its_words(self):
        """The words are required and kept, with who recorded them."""
        manager = self.new_user(
            "keeper", "base.group_user,sms_gateway_hub.group_manager"
        )
        with self.assertRaisesRegex(UserError, "Exact words"):
            self.record(manager, act="opted_in")
        self.record(manager, act="opted_in", wording="I agree", method="in_person")
        row = self.consents._get_last(NUMBERS[0])
        self.assertFields(
            row,
            {
                "act": "opted_in",
                "method": "in_person",
                "wording": "I agree",
                "user_id": manager,
                "partner_id": self.partner,
            },
        )

    def test_a_user_may_record_a_refusal_only(self):
        """A user without the manager group cannot make anybody agree."""
        user = self.new_user("clerk", "base.group_user")
        with self.assertRaises(AccessError):
            self.record(user, act="opted_in", wording="I agree")
        self.record(user, act="opted_out")
        self.assertEqual(self.acts(), ["opted_out"])

    def test_portal_and_public_cannot(self):
        """Nobody from outside records anything."""
        for group in ("base.group_portal", "base.group_public"):
            with self.row(group):
                user = self.new_user("outsider", group)
                with self.assertRaises(AccessError):
                    self.record(user, act="opted_out")
        self.assertFalse(self.acts())


class TestErase(ConsentCase):
    """A person's data goes, and they stay protected."""

    def test_erase_leaves_a_hash_that_blocks(self):
        """Number, texts and consent are gone; the number is not texted again."""
        self.enqueue(partner_id=self.partner.id, body="Secret words")
        self.run_sender()
        self.text_in("STOP please", NUMBERS[0])
        self.text_in("STOP", NUMBERS[0])
        self.consents._record(NUMBERS[0], "opted_in", method="form", wording="ok")
        wizard = self.env["sms.erase"].create(
            {"number": NUMBERS[0], "reason": "Letter of today"}
        )
        self.assertTrue(wizard.message_count)
        wizard.action_erase()
        for table, column in (
            ("sms_gateway_message", "number"),
            ("sms_gateway_event", "number"),
            ("sms_consent", "number"),
            ("res_partner_mobile", "number_e164"),
            ("res_partner", "phone_sanitized"),
            ("res_partner", "mobile"),
            ("phone_blacklist", "number"),
            ("mail_notification", "sms_number"),
        ):
            with self.subTest(table):
                self.env.flush_all()
                self.env.cr.execute(
                    f"SELECT count(*) FROM {table} WHERE {column} = %s", [NUMBERS[0]]
                )
                self.assertEqual(self.env.cr.fetchone()[0], 0)
        self.assertFalse(self.messages_of([("body", "ilike", "secret")]))
        again = self.enqueue(uuid="f" * 32)
        self.assertFields(again, {"state": "canceled", "failure_type": "opted_out"})
        self.assertIn("erased", again.failure_reason)
        suppression = self.env["sms.suppression"].search([])
        self.assertEqual(len(suppression), 1)
        self.assertNotIn(NUMBERS[0], str(suppression.read()))
        # Who texts START wants texts, whatever was erased before.
        self.text_in("START")
        self.assertEqual(self.enqueue(uuid="9" * 32).state, "queued")

    def test_only_administrators_erase(self):
        """A manager cannot, and a number that cannot be read is named."""
        manager = self.new_user(
            "eraser", "base.group_user,sms_gateway_hub.group_manager"
        )
        with self.assertRaises(AccessError):
            self.env["sms.erase"].with_user(manager).create(
                {"number": NUMBERS[0], "reason": "x"}
            )
        wizard = self.env["sms.erase"].create({"number": "abc", "reason": "x"})
        with self.assertRaisesRegex(UserError, "abc"):
            wizard.action_erase()


class TestOptionsOfClients(ConsentCase):
    """What a client puts into the context is no right, and no traceback."""

    def test_bad_options_are_named(self):
        """An option that cannot be read is a clear error, and nothing is queued."""
        user = self.new_user("tinker", "base.group_user,base.group_partner_manager")
        partner = self.partner.with_user(user)
        for options, words in (
            ("garbage", "names with their values"),
            ({"sms_gateway_id": "x"}, "Gateway"),
            ({"sms_gateway_id": 99999999999999}, "Gateway"),
            ({"sms_gateway_scheduled_at": "nonsense"}, "Send not before"),
            ({"sms_gateway_priority": "9"}, "Priority"),
        ):
            with self.row(str(options)), self.assertRaisesRegex(UserError, words):
                partner.with_context(sms_gateway_options=options)._message_sms("Hi")

    def test_a_client_cannot_say_what_kind_of_text_it_is(self):
        """A mass text of a user stays marketing, whatever the context says."""
        user = self.new_user("tinker", "base.group_user,base.group_partner_manager")
        self.consents._record(NUMBERS[0], "opted_out", method="form", scope="marketing")
        composer = (
            self.env["sms.composer"]
            .with_user(user)
            .with_context(
                sms_gateway_options={
                    "sms_gateway_kind": "single",
                    "sms_gateway_purpose": "transactional",
                }
            )
            .create(
                {
                    "composition_mode": "mass",
                    "res_model": "res.partner",
                    "res_ids": repr(self.partner.ids),
                    "body": "Sale",
                    "use_exclusion_list": False,
                    "mass_keep_log": False,
                }
            )
        )
        composer.action_send_sms()
        message = self.messages_of()
        self.assertFields(
            message,
            {"kind": "broadcast", "purpose": "marketing", "state": "canceled"},
        )

    def test_who_may_say_that_a_text_is_no_refusal(self):
        """The contact's salesperson and managers; another user may not."""
        user = self.new_user("clerk", "base.group_user")
        message = self.text_in("please stop texting me")
        with self.assertRaises(AccessError):
            message.with_user(user).action_not_opt_out()
        self.partner.user_id = user
        message.with_user(user).action_not_opt_out()
        self.assertEqual(self.acts(), ["possible_opt_out", "not_opt_out"])
