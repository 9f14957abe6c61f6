# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Consent where it counts: at the gateway. After STOP nothing leaves, by any way.

The names F21 and R7 are those of docs/reliability.md.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support import SECRET, CountingGateway, RpcError, wait_for

# What a machine under load may take to carry a request over loopback, in seconds.
NETWORK_S = 0.3
# A request that passed the gate may leave so much later (const.GATE_VALID_S).
PASSED_S = 0.2

# ----------------------------------------------------------------------------
# The ways to text: each is a function of (kit, contact, text)
# ----------------------------------------------------------------------------


@dataclass
class Contact:
    id: int
    number: str


class Kit:
    """What the ways to text need in a database, made when first asked for.

    ``bystander`` is one more recipient, who refuses nothing.
    """

    def __init__(self, odoo, contacts):
        self.odoo = odoo
        self.database = odoo.database
        self.contacts = contacts
        self.bystander = contacts[0]
        self._made = {}

    def once(self, name, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def call(self, model, method, *args, **kwargs):
        return self.odoo.call(model, method, *args, **kwargs)

    def model_id(self, model):
        return self.once(
            model, lambda: self.call("ir.model", "search", [("model", "=", model)])[0]
        )

    @property
    def template(self):
        return self.once(
            "template",
            lambda: self.call(
                "sms.template",
                "create",
                {
                    "name": "Template of the drill",
                    "model_id": self.model_id("res.partner"),
                    "body": "By template {{ object.id }}",
                },
            ),
        )

    def action(self, method):
        return self.once(
            f"action {method}",
            lambda: self.call(
                "ir.actions.server",
                "create",
                {
                    "name": f"Action of the drill: {method}",
                    "model_id": self.model_id("res.partner"),
                    "state": "sms",
                    "sms_template_id": self.template,
                    "sms_method": method,
                },
            ),
        )

    @property
    def automation(self):
        return self.once(
            "automation",
            lambda: self.call(
                "base.automation",
                "create",
                {
                    "name": "Automation of the drill",
                    "model_id": self.model_id("res.partner"),
                    "trigger": "on_create_or_write",
                    "filter_domain": "[('ref', 'like', 'automate')]",
                    "action_server_ids": [
                        (
                            0,
                            0,
                            {
                                "name": "Text",
                                "model_id": self.model_id("res.partner"),
                                "state": "sms",
                                "sms_template_id": self.template,
                                "sms_method": "sms",
                            },
                        )
                    ],
                },
            ),
        )

    @property
    def alarm(self):
        return self.once(
            "alarm",
            lambda: self.call(
                "calendar.alarm",
                "create",
                {
                    "name": "An hour before",
                    "alarm_type": "sms",
                    "interval": "hours",
                    "duration": 1,
                },
            ),
        )

    @property
    def delivery(self):
        """The type of deliveries, whose confirmation is texted from here on."""

        def make():
            company = self.call("res.users", "read", [2], ["company_id"])[0]
            self.call(
                "res.company",
                "write",
                [company["company_id"][0]],
                {
                    "stock_text_confirmation": True,
                    "stock_confirmation_type": "sms",
                    "has_received_warning_stock_sms": True,
                },
            )
            product = self.call("product.product", "create", {"name": "Parcel"})
            kind = self.call(
                "stock.picking.type",
                "search_read",
                [("code", "=", "outgoing")],
                ["default_location_src_id"],
                limit=1,
            )[0]
            customers = self.call(
                "stock.location", "search", [("usage", "=", "customer")], limit=1
            )[0]
            return {
                "picking_type_id": kind["id"],
                "location_id": kind["default_location_src_id"][0],
                "location_dest_id": customers,
                "product_id": product,
            }

        return self.once("delivery", make)

    def clean(self):
        """Take back what would text others in later tests."""
        if "automation" in self._made:
            self.call("base.automation", "unlink", [self.automation])
        if "delivery" in self._made:
            self.database.rows("UPDATE res_company SET stock_text_confirmation = FALSE")


def client_in_chatter(kit, contact, text):
    kit.call(
        "res.partner",
        "message_post",
        [contact.id],
        body=text,
        message_type="sms",
        partner_ids=[contact.id],
    )


def code_in_chatter(kit, contact, text):
    kit.call("sms.gateway.drill", "message_sms", "res.partner", contact.id, text)


def composer(kit, contact, text):
    kit.odoo.text([contact.id], text)


def composer_ahead(kit, contact, text):
    at = datetime.now(UTC) + timedelta(hours=2)
    kit.odoo.text([contact.id], text, sms_gateway_scheduled_at=f"{at:%F %T}")


def composer_mass(kit, contact, text):
    kit.odoo.text([contact.id, kit.bystander.id], text, mass_keep_log=False)


def composer_mass_with_notes(kit, contact, text):
    kit.odoo.text([contact.id, kit.bystander.id], text, mass_keep_log=True)


def composer_mass_ahead(kit, contact, text):
    at = datetime.now(UTC) + timedelta(hours=2)
    kit.odoo.text(
        [contact.id, kit.bystander.id],
        text,
        sms_gateway_scheduled_at=f"{at:%F %T}",
        use_exclusion_list=False,
    )


def composer_mass_to_everybody(kit, contact, text):
    kit.odoo.text([contact.id, kit.bystander.id], text, use_exclusion_list=False)


def composer_numbers(kit, contact, text):
    context = {"default_composition_mode": "numbers"}
    values = {"body": text, "numbers": contact.number}
    wizard = kit.call("sms.composer", "create", values, context=context)
    kit.call("sms.composer", "action_send_sms", [wizard], context=context)


def template(kit, contact, text):
    kit.call(
        "sms.gateway.drill",
        "message_template",
        "res.partner",
        contact.id,
        kit.template,
    )


def server_action(method):
    def run(kit, contact, text):
        kit.call(
            "ir.actions.server",
            "run",
            [kit.action(method)],
            context={
                "active_model": "res.partner",
                "active_id": contact.id,
                "active_ids": [contact.id],
            },
        )

    return run


def automation(kit, contact, text):
    assert kit.automation
    kit.call("res.partner", "write", [contact.id], {"ref": f"automate {text}"})


def calendar_reminder(kit, contact, text):
    start = datetime.now(UTC) + timedelta(hours=3)
    event = kit.call(
        "calendar.event",
        "create",
        {
            "name": text,
            "start": f"{start:%F %T}",
            "stop": f"{start + timedelta(hours=1):%F %T}",
            "partner_ids": [(6, 0, [contact.id])],
            "alarm_ids": [(6, 0, [kit.alarm])],
        },
        context={"no_mail_to_attendees": True},
    )
    kit.call("sms.gateway.drill", "remind", event, kit.alarm)


def stock_confirmation(kit, contact, text):
    values = dict(kit.delivery)
    move = {
        "product_id": values.pop("product_id"),
        "product_uom_qty": 1,
        "quantity": 1,
        "picked": True,
        "location_id": values["location_id"],
        "location_dest_id": values["location_dest_id"],
    }
    picking = kit.call(
        "stock.picking",
        "create",
        {**values, "partner_id": contact.id, "move_ids": [(0, 0, move)]},
    )
    assert kit.call("stock.picking", "button_validate", [picking]) is True


def mass_mailing(*, exclusion):
    def send(kit, contact, text):
        mailing = kit.call(
            "mailing.mailing",
            "create",
            {
                "subject": text,
                "mailing_type": "sms",
                "body_plaintext": text,
                "mailing_model_id": kit.model_id("res.partner"),
                "mailing_domain": repr([("id", "=", contact.id)]),
                "use_exclusion_list": exclusion,
            },
        )
        kit.call("mailing.mailing", "action_send_sms", [mailing])

    return send


def core_queue(kit, contact, text):
    kit.call("sms.gateway.drill", "queue_sms", contact.number, contact.id, text)


def broadcast(kit, contact, text):
    broadcast = kit.call(
        "sms.broadcast",
        "create",
        {
            "name": text,
            "res_model": "res.partner",
            "record_ids": [contact.id, kit.bystander.id],
            "body": text,
        },
    )
    kit.call("sms.broadcast", "action_check", [broadcast])
    kit.call("sms.broadcast", "action_start", [broadcast])
    # Recipients of one chunk get their messages together.
    wait_for(
        lambda: kit.database.rows(
            "SELECT 1 FROM sms_gateway_message WHERE broadcast_id = %s AND number = %s",
            broadcast,
            kit.bystander.number,
        ),
        what="the expansion of the broadcast",
    )


def send_again(kit, contact, text):
    rows = [
        ("number", "=", contact.number),
        ("direction", "=", "outgoing"),
        ("exempt", "=", False),
    ]
    messages = "sms.gateway.message"
    if not (last := kit.call(messages, "search", rows, limit=1)):
        kit.odoo.text([contact.id], text)
        last = kit.call(messages, "search", rows, limit=1)
        kit.call(messages, "action_cancel", last)
    kit.call(messages, "action_send_again", last)


# The way, and how it ends after STOP: the message row is "canceled"; the person who
# texts is "refused" with the reason; or Odoo's own list "leaves out" the recipient
# before there is a message. The bystander of the same mass text gets it always.
WAYS = [
    ("a client posts in the chatter", client_in_chatter, "canceled"),
    ("code texts in the chatter", code_in_chatter, "canceled"),
    ("composer for one", composer, "refused"),
    ("composer for one, scheduled", composer_ahead, "refused"),
    ("composer for many", composer_mass, "left out"),
    ("composer for many, with notes", composer_mass_with_notes, "left out"),
    ("composer for many, list not heeded", composer_mass_to_everybody, "canceled"),
    ("composer for many, scheduled", composer_mass_ahead, "canceled"),
    ("composer for numbers", composer_numbers, "canceled"),
    ("template", template, "canceled"),
    ("server action", server_action("sms"), "left out"),
    ("server action with note", server_action("comment"), "canceled"),
    ("automation rule", automation, "left out"),
    ("calendar reminder", calendar_reminder, "canceled"),
    ("confirmation of a delivery", stock_confirmation, "canceled"),
    ("mass mailing", mass_mailing(exclusion=True), "left out"),
    ("mass mailing, list not heeded", mass_mailing(exclusion=False), "canceled"),
    ("queue of core", core_queue, "canceled"),
    ("broadcast", broadcast, "left out"),
    ("send again", send_again, "canceled"),
]


@dataclass
class Finding:
    """What became of one way: rows are (state, failure type) of its number."""

    errors: list = field(default_factory=list)
    queued: list = field(default_factory=list)
    stopped: list = field(default_factory=list)
    again: list = field(default_factory=list)
    refusal: str = ""
    answers: list = field(default_factory=list)
    received: list = field(default_factory=list)


def rows_of(database, contact, after_id=0):
    return database.rows(
        "SELECT state, failure_type FROM sms_gateway_message WHERE number = %s "
        "AND direction = 'outgoing' AND exempt IS NULL AND id > %s ORDER BY id",
        contact.number,
        after_id,
    )


def say_stop(odoo, gateway_id, contact):
    """Let STOP come in; return when it was committed, in Unix time."""
    assert odoo.receive(gateway_id, SECRET, contact.number, "STOP") == 200
    return odoo.database.appeared(
        "SELECT 1 FROM sms_consent WHERE number = %s AND act = 'opted_out'",
        contact.number,
    )


def make_contacts(odoo, count, name):
    ids = odoo.make_contacts(count, name=name)
    return [
        Contact(row["id"], row["phone_sanitized"])
        for row in odoo.call("res.partner", "read", ids, ["phone_sanitized"])
    ]


@pytest.fixture(scope="module")
def findings(odoo, database):
    """Try every way before and after STOP, with one gateway; return what happened.

    The gateway's job rests until all have said STOP, so that each text was queued
    before and would leave after it.
    """
    gateway = CountingGateway()
    gateway_id = odoo.make_gateway(gateway, parallel_requests=4)
    bystander, *contacts = make_contacts(odoo, 1 + len(WAYS), "Refuser")
    kit = Kit(odoo, [bystander, *contacts])
    found = {}
    odoo.rest(gateway_id)
    for (label, way, _end), contact in zip(WAYS, contacts, strict=True):
        finding = found[label] = Finding()
        try:
            way(kit, contact, f"Before STOP: {label}")
        except (RpcError, AssertionError) as error:
            finding.errors.append(f"{type(error).__name__}: {error}")
        finding.queued = rows_of(database, contact)
    for contact in contacts:
        say_stop(odoo, gateway_id, contact)
    for (label, _way, _end), contact in zip(WAYS, contacts, strict=True):
        found[label].stopped = rows_of(database, contact)
    last_id = database.rows("SELECT max(id) FROM sms_gateway_message")[0][0]
    odoo.work(gateway_id)
    for (label, way, end), contact in zip(WAYS, contacts, strict=True):
        finding = found[label]
        try:
            way(kit, contact, f"After STOP: {label}")
        except (RpcError, AssertionError) as error:
            if end == "refused":
                finding.refusal = str(error)
            else:
                finding.errors.append(f"{type(error).__name__}: {error}")
        finding.again = rows_of(database, contact, last_id)
    # Who refused nothing gets everything that is due; whoever is served after all
    # the others shows that the others were not.
    odoo.text([bystander.id], "The last one", sms_gateway_priority="3")
    wait_for(lambda: gateway.texts["The last one"], what="the last text")
    wait_for(lambda: not database.states().get("sending"), what="the end of sending")
    for (label, _way, _end), contact in zip(WAYS, contacts, strict=True):
        finding = found[label]
        finding.received = [m for m in gateway.received if m["to"] == contact.number]
        finding.answers = database.rows(
            "SELECT state, body FROM sms_gateway_message "
            "WHERE number = %s AND exempt = 'answer'",
            contact.number,
        )
    kit.clean()
    yield found
    gateway.close()


@pytest.mark.parametrize("label,end", [(label, end) for label, _way, end in WAYS])
def test_f21_nothing_leaves_after_stop(findings, label, end):
    """F21, R7: what waited is cancelled, nothing more is queued, one text confirms."""
    finding = findings[label]
    assert not finding.errors
    states = [state for state, _failure in finding.queued]
    assert states.count("queued") == 1, f"nothing was queued before STOP: {states}"
    assert set(finding.stopped) - {("canceled", "canceled")} == {
        ("canceled", "opted_out")
    }
    if end == "canceled":
        assert finding.again == [("canceled", "opted_out")]
    else:
        # Left out before there was a message, or kept as cancelled: never queued.
        assert {state for state, _failure in finding.again} <= {"canceled"}
    if end == "refused":
        assert "refused texts" in finding.refusal
    assert len(finding.answers) == 1
    state, body = finding.answers[0]
    assert state == "sent"
    assert [message["text"] for message in finding.received] == [body]


# ----------------------------------------------------------------------------
# STOP while texts are under way
# ----------------------------------------------------------------------------


def make_person(odoo, count):
    """Make a contact with several numbers; return its id and the numbers."""
    start = 5_551_000 + odoo.call("res.partner", "search_count", []) * 4
    numbers = [f"+1305{start + n}" for n in range(count)]
    person = odoo.call(
        "res.partner",
        "create",
        {
            "name": "Person with several numbers",
            "mobile_ids": [(0, 0, {"number": number}) for number in numbers],
        },
    )
    return person, numbers


def stop_in_the_middle(
    odoo, database, gateway, record_property, label, after, **values
):
    """Text one person 40 times, at four numbers; STOP comes from one of them.

    :param record_property: is told how many STOP held back, and how many seconds after
        its commit what was under way came
    :param int after: texts that the gateway has when STOP comes
    :return: dict with what the gateway got, by when it came
    """
    gateway_id = odoo.make_gateway(gateway, **values)
    person, numbers = make_person(odoo, 4)
    odoo.rest(gateway_id)
    for n in range(10):
        odoo.text([person], f"{label} {n}", sms_gateway_number_choice="all")
    assert database.states(f"{label}%") == {"queued": 40}
    odoo.work(gateway_id)
    wait_for(
        lambda: len(gateway.received) >= after, what="the first texts", step_s=0.01
    )
    committed_at = say_stop(odoo, gateway_id, Contact(person, numbers[0]))

    def all_settled():
        states = database.states(f"{label}%")
        return not set(states) & {"queued", "sending"} and states

    states = wait_for(all_settled, what="the end of all texts")
    wait_for(
        lambda: [m for m in gateway.received if not m["text"].startswith(label)],
        what="the confirmation",
    )
    wait_for(lambda: not database.states().get("sending"), what="the end of sending")
    ours = [m for m in gateway.received if m["text"].startswith(label)]
    late_s = [m["at"] - committed_at for m in ours if m["at"] > committed_at]
    record_property("held_back_by_stop", states.get("canceled", 0))
    record_property("late_s", [round(seconds, 3) for seconds in late_s])
    return {
        "states": states,
        "numbers": numbers,
        "late_s": late_s,
        "ours": ours,
        "others": [m for m in gateway.received if not m["text"].startswith(label)],
    }


def check_stopped(story, parallel):
    """Nothing left after STOP but what was under way, and one confirmation.

    A request that passed the gate before STOP was committed may leave within
    ``PASSED_S`` after it, at most as many as leave at once; the rest is the way to the
    gateway.
    """
    assert story["states"] == {
        "sent": len(story["ours"]),
        "canceled": 40 - len(story["ours"]),
    }
    assert len(story["ours"]) < 40, "STOP came too late: the test shows nothing"
    assert len(story["late_s"]) <= parallel, f"{story['late_s']}"
    assert max(story["late_s"], default=0) <= PASSED_S + NETWORK_S
    # To the number that said STOP, and to no other of that person.
    assert [message["to"] for message in story["others"]] == story["numbers"][:1]


def test_f21_stop_while_a_capped_gateway_sends(
    odoo, database, gateway, record_property
):
    """F21: claimed ahead of their slots, texts do not leave when STOP has come in."""
    story = stop_in_the_middle(
        *(odoo, database, gateway, record_property, "F21 capped", 6),
        max_rate=5,
        parallel_requests=2,
    )
    check_stopped(story, parallel=2)


def test_f21_stop_while_a_slow_gateway_sends(odoo, database, gateway, record_property):
    """F21: what waits for a free connection does not leave when STOP has come in."""
    gateway.behave = lambda number, messages: time.sleep(1)
    story = stop_in_the_middle(
        *(odoo, database, gateway, record_property, "F21 slow", 4),
        parallel_requests=4,
    )
    check_stopped(story, parallel=4)


def test_f21_stop_while_a_text_is_being_queued(
    odoo, database, gateway, record_property
):
    """F21: queued in a transaction that began before STOP, it is held at the claim."""
    gateway_id = odoo.make_gateway(gateway)
    contact = make_contacts(odoo, 1, "Slowly")[0]
    with ThreadPoolExecutor(1) as pool:
        queued = pool.submit(
            odoo.call, "sms.gateway.drill", "text_slowly", contact.id, "F21 slowly", 3
        )
        wait_for(
            lambda: database.rows(
                "SELECT 1 FROM pg_stat_activity WHERE datname = %s "
                "AND state = 'idle in transaction' "
                "AND query LIKE '%%taking its time%%'",
                database.name,
            ),
            what="the open transaction",
            step_s=0.01,
        )
        say_stop(odoo, gateway_id, contact)
        assert not queued.done(), "STOP came too late: the test shows nothing"
        queued.result(30)
    wait_for(
        lambda: (
            rows_of(database, contact) == [("canceled", "opted_out")]
            and len(gateway.received) == 1
        ),
        what="the refusal at the claim, and the confirmation",
    )
    assert gateway.texts["F21 slowly"] == 0
    record_property("held_back_by_stop", 1)


def test_f21_stop_to_a_gateway_that_takes_many_at_once(
    odoo, database, gateway, record_property
):
    """F21: one refusal in a request of ten does not cost the other nine theirs."""
    gateway_id = odoo.make_gateway(gateway, testing_batch=10, parallel_requests=1)
    contacts = make_contacts(odoo, 30, "Batched")
    odoo.rest(gateway_id)
    odoo.text([contact.id for contact in contacts], "F21 batch {{ object.id }}")
    assert database.states("F21 batch%") == {"queued": 30}
    for contact in contacts[5:25:5]:
        say_stop(odoo, gateway_id, contact)
    odoo.work(gateway_id)
    wait_for(
        lambda: database.states("F21 batch%") == {"sent": 26, "canceled": 4},
        what="the others",
    )
    record_property("held_back_by_stop", database.states("F21 batch%")["canceled"])
    refusers = {contact.id for contact in contacts[5:25:5]}
    assert {t: n for t, n in gateway.texts.items() if t.startswith("F21")} == {
        f"F21 batch {contact.id}": 1
        for contact in contacts
        if contact.id not in refusers
    }


def test_f21_start_lets_texts_leave_again(odoo, database, gateway):
    """After START a person gets texts again; what STOP cancelled stays cancelled."""
    gateway_id = odoo.make_gateway(gateway)
    contact = make_contacts(odoo, 1, "Back again")[0]
    odoo.rest(gateway_id)
    odoo.text([contact.id], "Back: before")
    say_stop(odoo, gateway_id, contact)
    odoo.receive(gateway_id, SECRET, contact.number, "START")
    database.appeared(
        "SELECT 1 FROM sms_consent WHERE number = %s AND act = 'opted_in'",
        contact.number,
    )
    odoo.text([contact.id], "Back: after")
    odoo.work(gateway_id)
    wait_for(lambda: database.states("Back: after") == {"sent": 1}, what="the text")
    assert database.states("Back: before") == {"canceled": 1}
    assert gateway.texts["Back: before"] == 0
    # Both answers, in this order, and the new text.
    assert len(gateway.received) == 3


def test_f21_stop_twice_is_confirmed_once(odoo, database, gateway):
    """A second STOP, or the same one delivered twice, is not answered again."""
    gateway_id = odoo.make_gateway(gateway)
    contact = make_contacts(odoo, 1, "Twice")[0]
    say_stop(odoo, gateway_id, contact)
    for text in ("Stop!", "stop please", "STOP"):
        odoo.receive(gateway_id, SECRET, contact.number, text)
    wait_for(
        lambda: (
            database.rows(
                "SELECT count(*) FROM sms_gateway_message "
                "WHERE number = %s AND direction = 'incoming'",
                contact.number,
            )
            == [(4,)]
        ),
        what="all four",
    )
    odoo.text(odoo.make_contacts(1), "Twice: the last one", sms_gateway_priority="3")
    wait_for(lambda: gateway.texts["Twice: the last one"], what="the last text")
    assert len([m for m in gateway.received if m["to"] == contact.number]) == 1


# ----------------------------------------------------------------------------
# Quiet hours
# ----------------------------------------------------------------------------


def test_quiet_hours_hold_and_let_go(odoo, database, gateway):
    """In quiet hours texts wait, expire or, urgent, leave; then each leaves once."""
    there = datetime.now(ZoneInfo("America/New_York"))
    # From now on for an hour and a bit, wherever in the day that is.
    gateway_id = odoo.make_gateway(
        gateway,
        quiet_hours=True,
        quiet_from=there.hour,
        quiet_to=(there.hour + 2) % 24,
    )
    contacts = make_contacts(odoo, 5, "Sleeper")
    for contact in contacts[:2]:
        odoo.text([contact.id], f"Quiet {contact.id}")
    soon = datetime.now(UTC) + timedelta(minutes=1)
    late = {"sms_gateway_expires_at": f"{soon:%F %T}"}
    odoo.text([contact.id for contact in contacts[2:4]], "Quiet too late", **late)
    with pytest.raises(RpcError, match="too late"):
        odoo.text([contacts[2].id], "Quiet refused", **late)
    odoo.text([contacts[4].id], "Quiet urgent", sms_gateway_urgent=True)
    # The urgent one shows that the sender ran.
    wait_for(lambda: gateway.texts["Quiet urgent"], what="the urgent text")
    odoo.wake(gateway_id)
    assert database.rows(
        "SELECT state, hold, failure_type, due_at > now() AT TIME ZONE 'UTC' "
        "FROM sms_gateway_message WHERE body LIKE 'Quiet %%' ORDER BY id"
    ) == [
        ("queued", "quiet_hours", None, True),
        ("queued", "quiet_hours", None, True),
        ("expired", None, "expired", False),
        ("expired", None, "expired", False),
        ("sent", None, None, False),
    ]
    due_at = database.rows(
        "SELECT min(due_at), max(due_at) FROM sms_gateway_message "
        "WHERE hold IS NOT NULL AND body LIKE 'Quiet %%'"
    )[0]
    opens = there.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    assert {at.replace(tzinfo=UTC) for at in due_at} == {opens.astimezone(UTC)}
    assert gateway.texts == {"Quiet urgent": 1}
    # Even taken up early, the gate at claiming holds them again.
    database.rows(
        "UPDATE sms_gateway_message SET due_at = now() AT TIME ZONE 'UTC', hold = NULL "
        "WHERE body = %s",
        f"Quiet {contacts[0].id}",
    )
    odoo.wake(gateway_id)
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway_message WHERE body = %s AND state = 'queued' "
            "AND hold = 'quiet_hours' AND attempts = 0",
            f"Quiet {contacts[0].id}",
        ),
        what="the second hold",
    )
    assert gateway.texts == {"Quiet urgent": 1}
    # Morning comes: what waited leaves, once.
    odoo.call("sms.gateway", "write", [gateway_id], {"quiet_hours": False})
    database.rows(
        "UPDATE sms_gateway_message SET due_at = now() AT TIME ZONE 'UTC' "
        "WHERE hold = 'quiet_hours' AND state = 'queued' AND body LIKE 'Quiet %%'"
    )
    odoo.wake(gateway_id)
    wait_for(
        lambda: database.states("Quiet%") == {"sent": 3, "expired": 2},
        what="the texts that waited",
    )
    assert gateway.texts == {
        "Quiet urgent": 1,
        f"Quiet {contacts[0].id}": 1,
        f"Quiet {contacts[1].id}": 1,
    }


# ----------------------------------------------------------------------------
# Fallback
# ----------------------------------------------------------------------------


def test_fallback_sends_what_the_paused_gateway_cannot(odoo, database, gateway):
    """The fallback takes over what certainly did not leave, and nothing else."""
    other = CountingGateway()
    refused = []

    def behave(number, messages):
        if number == 1:
            # It took the text and hung up: nobody knows.
            raise ConnectionError
        refused.extend(message["text"] for message in messages)
        return 401, {}, b"who are you"

    gateway.behave = behave
    gateway_id = odoo.make_gateway(gateway, parallel_requests=1)
    fallback_id = odoo.call(
        "sms.gateway",
        "create",
        {
            "name": "Fallback",
            "code": "testing",
            "state": "enabled",
            "sequence": 99,
            "testing_url": other.url,
            "local_network": True,
            "testing_key": "KEY-OF-THE-FALLBACK",
            "testing_secret": SECRET,
        },
    )
    odoo.call(
        "sms.gateway", "write", [gateway_id], {"fallback_gateway_id": fallback_id}
    )
    contacts = make_contacts(odoo, 21, "Relieved")
    odoo.rest(gateway_id)
    odoo.text([contact.id for contact in contacts[:20]], "Relief {{ object.id }}")
    assert database.rows(
        "SELECT DISTINCT gateway_id FROM sms_gateway_message WHERE body LIKE 'Relief%%'"
    ) == [(gateway_id,)]
    odoo.work(gateway_id)
    try:
        wait_for(
            lambda: database.states("Relief%") == {"sent": 19, "unconfirmed": 1},
            what="the relief",
        )
        assert database.rows(
            "SELECT 1 FROM sms_gateway WHERE id = %s "
            "AND paused_until > now() AT TIME ZONE 'UTC'",
            gateway_id,
        )
        # Somebody chose the gateway for one: it waits for that. What nobody chose
        # goes on leaving by the other.
        odoo.text([contacts[20].id], "Relief chosen", sms_gateway_id=gateway_id)
        odoo.text([contacts[0].id], "Relief more")
        wait_for(lambda: database.states("Relief more") == {"sent": 1}, what="one more")
        assert database.states("Relief chosen") == {"queued": 1}
        # What the first one may have taken is never at the other.
        taken = gateway.texts - Counter(refused)
        assert len(taken) == 1
        assert not set(taken) & set(other.texts)
        assert sum((taken + other.texts).values()) == 21
        assert set((taken + other.texts).values()) == {1}
        assert {h["Authorization"] for h in other.headers} == {
            "Bearer KEY-OF-THE-FALLBACK"
        }
        # STOP to either of them holds at both.
        say_stop(odoo, fallback_id, contacts[20])
        assert database.states("Relief chosen") == {"canceled": 1}
    finally:
        other.close()


# ----------------------------------------------------------------------------
# Rights
# ----------------------------------------------------------------------------

LOGIN = "plain-employee"
CLEAN = {
    "odoo.exceptions.AccessError",
    "odoo.exceptions.UserError",
    "odoo.exceptions.ValidationError",
}


@pytest.fixture
def employee(odoo):
    """Give the login of a user who is an employee and nothing more."""
    if not odoo.call("res.users", "search_count", [("login", "=", LOGIN)]):
        groups = odoo.database.rows(
            "SELECT res_id FROM ir_model_data "
            "WHERE module = 'base' AND name IN ('group_user', 'group_partner_manager')"
        )
        odoo.call(
            "res.users",
            "create",
            {
                "name": "Plain employee",
                "login": LOGIN,
                "password": LOGIN,
                # Who keeps contacts has more doors than who does not.
                "group_ids": [(6, 0, [group for (group,) in groups])],
            },
            context={"no_reset_password": True},
        )
    return LOGIN


def test_an_employee_cannot_skip_what_protects_people(
    odoo, database, gateway, employee
):
    """No RPC lets a plain user start a broadcast, change consent or skip the night."""
    there = datetime.now(ZoneInfo("America/New_York"))
    gateway_id = odoo.make_gateway(
        gateway,
        quiet_hours=True,
        quiet_from=there.hour,
        quiet_to=(there.hour + 2) % 24,
    )
    refuser, sleeper = make_contacts(odoo, 2, "Protected")
    say_stop(odoo, gateway_id, refuser)
    wait_for(lambda: len(gateway.received) == 1, what="the confirmation")
    odoo.call(
        "res.partner",
        "write",
        [refuser.id],
        {"mobile_ids": [(0, 0, {"number": refuser.number})]},
    )
    mobile = database.rows(
        "SELECT id FROM res_partner_mobile WHERE partner_id = %s", refuser.id
    )[0][0]
    values = {
        "name": "Broadcast of the drill",
        "res_model": "res.partner",
        "record_ids": [refuser.id, sleeper.id],
        "body": "Broadcast by a plain user",
    }
    broadcast_id = odoo.call("sms.broadcast", "create", values)
    odoo.call("sms.broadcast", "action_check", [broadcast_id])
    consent_id = database.rows(
        "SELECT id FROM sms_consent WHERE number = %s", refuser.number
    )[0][0]
    # One of the user's own that waits for the morning.
    context = {
        "default_res_model": "res.partner",
        "default_composition_mode": "comment",
        "default_res_id": sleeper.id,
    }
    own = {"login": employee}

    def compose(values, more=None):
        wizard_context = {**context, **(more or {})}
        wizard = odoo.call(
            "sms.composer", "create", values, context=wizard_context, **own
        )
        odoo.call(
            "sms.composer", "action_send_sms", [wizard], context=wizard_context, **own
        )

    compose({"body": "Plain waits"})
    message_id = database.rows(
        "SELECT id FROM sms_gateway_message WHERE body = 'Plain waits'"
    )[0][0]

    def record(act):
        wizard = odoo.call(
            "sms.consent.record",
            "create",
            {
                "partner_ids": [(6, 0, [refuser.id])],
                "act": act,
                "method": "in_person",
                "wording": "I agree",
            },
            **own,
        )
        odoo.call("sms.consent.record", "action_record", [wizard], **own)

    def snapshot():
        # Of messages those from here on: earlier tests may have left very many.
        since = {"sms_gateway_message": message_id}
        return [
            database.rows(
                f"SELECT * FROM {table} WHERE id >= %s ORDER BY id",
                since.get(table, 0),
            )
            for table in (
                "sms_broadcast",
                "sms_consent",
                "phone_blacklist",
                "sms_keyword",
                "sms_suppression",
                "res_partner_mobile",
                "sms_gateway_message",
            )
        ]

    def rpc(model, method, *args, **kwargs):
        return lambda: odoo.call(model, method, *args, **kwargs, **own)

    urgent = {"sms_gateway_options": {"sms_gateway_urgent": True}}
    consent = {"number": refuser.number, "act": "opted_in", "method": "api"}
    imported = [
        [str(refuser.id), refuser.number, "opted_in", "I agree"],
    ]
    attempts = {
        # Broadcasts
        "create a broadcast": rpc("sms.broadcast", "create", values),
        "save a broadcast": rpc("sms.broadcast", "web_save", [], values, {"id": {}}),
        "change a broadcast": rpc(
            "sms.broadcast", "write", [broadcast_id], {"body": "Other"}
        ),
        "set its state": rpc(
            "sms.broadcast", "write", [broadcast_id], {"state": "running"}
        ),
        "delete a broadcast": rpc("sms.broadcast", "unlink", [broadcast_id]),
        "copy a broadcast": rpc("sms.broadcast", "copy", [broadcast_id]),
        **{
            f"{button} of a broadcast": rpc("sms.broadcast", button, [broadcast_id])
            for button in (
                "action_check",
                "action_start",
                "action_pause",
                "action_resume",
                "action_cancel",
                "action_draft",
                "action_send_test",
            )
        },
        "run the job of broadcasts": rpc("sms.broadcast", "_cron_run"),
        # Consent
        "add to the ledger": rpc("sms.consent", "create", consent),
        "record in the ledger": rpc(
            "sms.consent", "_record", refuser.number, "opted_in"
        ),
        "import the ledger": rpc(
            "sms.consent",
            "load",
            ["number", "act", "method"],
            [[refuser.number, "opted_in", "api"]],
        ),
        "change the ledger": rpc(
            "sms.consent", "write", [consent_id], {"act": "opted_in"}
        ),
        "delete of the ledger": rpc("sms.consent", "unlink", [consent_id]),
        "record an agreement": lambda: record("opted_in"),
        "import an agreement": rpc(
            "res.partner.mobile",
            "write",
            [mobile],
            {"consent": "opted_in", "consent_wording": "I agree"},
        ),
        "agree with a new number": rpc(
            "res.partner",
            "write",
            [sleeper.id],
            {
                "mobile_ids": [
                    (
                        0,
                        0,
                        {
                            "number": "+12025559999",
                            "consent": "opted_in",
                            "consent_wording": "I agree",
                        },
                    )
                ]
            },
        ),
        "unblock a number": rpc(
            "res.partner.mobile", "write", [mobile], {"blocked": False}
        ),
        "unlist a number": rpc("phone.blacklist", "remove", [], refuser.number),
        "unlist it by the wizard": rpc(
            "phone.blacklist.remove", "create", {"phone": refuser.number}
        ),
        "erase somebody": rpc("sms.erase", "create", {"number": refuser.number}),
        "make a keyword": rpc(
            "sms.keyword", "create", {"word": "sure", "family": "start", "lang": "en"}
        ),
        # Quiet hours
        "urgent in the composer": lambda: compose(
            {"body": "Plain urgent", "sms_gateway_urgent": True}
        ),
        "urgent by default": lambda: compose(
            {"body": "Plain urgent"}, {"default_sms_gateway_urgent": True}
        ),
        "urgent by context": lambda: compose({"body": "Plain urgent"}, urgent),
        "urgent in the chatter": rpc(
            "res.partner",
            "message_post",
            [sleeper.id],
            body="Plain urgent",
            message_type="sms",
            partner_ids=[sleeper.id],
            context=urgent,
        ),
        "urgent to a number": lambda: compose(
            {
                "body": "Plain urgent",
                "numbers": sleeper.number,
                "sms_gateway_urgent": True,
            },
            {"default_composition_mode": "numbers"},
        ),
        "make it urgent later": rpc(
            "sms.gateway.message", "write", [message_id], {"urgent": True}
        ),
        "end the hold": rpc(
            "sms.gateway.message", "write", [message_id], {"hold": False}
        ),
        "make it due": rpc(
            "sms.gateway.message", "write", [message_id], {"due_at": False}
        ),
        "make it an answer": rpc(
            "sms.gateway.message", "write", [message_id], {"exempt": "answer"}
        ),
        "write a message": rpc(
            "sms.gateway.message",
            "create",
            {"number": sleeper.number, "body": "Plain urgent", "urgent": True},
        ),
        "queue a message": rpc(
            "sms.gateway.message",
            "_enqueue",
            [{"number": sleeper.number, "body": "Plain urgent", "urgent": True}],
        ),
        "write an SMS of core's": rpc(
            "sms.sms",
            "create",
            {
                "number": sleeper.number,
                "body": "Plain urgent",
                "sms_gateway_urgent": True,
            },
        ),
        "end the night": rpc(
            "sms.gateway", "write", [gateway_id], {"quiet_hours": False}
        ),
        "wake the gateway": rpc("sms.gateway", "action_send_now", [gateway_id]),
        "text who refused": lambda: compose(
            {"body": "Plain to a refuser"}, {"default_res_id": refuser.id}
        ),
    }
    # What is a good answer, but must change nothing that protects anybody.
    quiet = {
        "import numbers with consent": rpc(
            "res.partner",
            "load",
            [
                ".id",
                "mobile_ids/number",
                "mobile_ids/consent",
                "mobile_ids/consent_wording",
            ],
            imported,
        ),
    }
    wrong = {}
    for name, attempt in {**attempts, **quiet}.items():
        before = snapshot()
        try:
            answer = attempt()
        except RpcError as error:
            if error.name not in CLEAN or "Traceback" in str(error):
                wrong[name] = f"{error.name}: {error}"
        else:
            if name in attempts and not (
                isinstance(answer, dict) and answer.get("ids") is False
            ):
                wrong[name] = f"answered {answer}"
        if snapshot() != before:
            wrong[name] = f"changed rows; {wrong.get(name, '')}"
    assert not wrong
    # What the user may do: change the plan of the own text. The night stays.
    odoo.call(
        "sms.gateway.message", "write", [message_id], {"scheduled_at": False}, **own
    )
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway_message WHERE id = %s AND hold = 'quiet_hours' "
            "AND state = 'queued'",
            message_id,
        ),
        what="the hold after a changed plan",
    )
    assert len(gateway.received) == 1, "more than the confirmation reached somebody"


def test_a_mass_text_stays_marketing(odoo, database, gateway, employee):
    """Whatever a plain user's client says, a mass text spares who refused marketing."""
    odoo.make_gateway(gateway)
    refuser, other = make_contacts(odoo, 2, "No marketing")
    wizard = odoo.call(
        "sms.consent.record",
        "create",
        {
            "partner_ids": [(6, 0, [refuser.id])],
            "act": "opted_out",
            "scope": "marketing",
            "method": "phone",
        },
    )
    odoo.call("sms.consent.record", "action_record", [wizard])
    tricks = {
        "nothing": {},
        "the purpose": {"sms_gateway_purpose": "transactional"},
        "the kind": {
            "sms_gateway_kind": "single",
            "sms_gateway_purpose": "transactional",
        },
    }
    for trick, options in tricks.items():
        text = f"Sale: {trick}"
        context = {
            "default_res_model": "res.partner",
            "default_composition_mode": "mass",
            "default_res_ids": repr([refuser.id, other.id]),
            "sms_gateway_options": options,
        }
        wizard = odoo.call(
            "sms.composer",
            "create",
            {
                "body": text,
                "mass_keep_log": False,
                "use_exclusion_list": False,
                "sms_gateway_purpose": "transactional",
            },
            context=context,
            login=employee,
        )
        try:
            odoo.call(
                "sms.composer",
                "action_send_sms",
                [wizard],
                context=context,
                login=employee,
            )
        except RpcError as error:
            assert error.name in CLEAN
            continue
        wait_for(
            lambda text=text: not {"queued", "sending"} & set(database.states(text)),
            what="the mass text",
        )
        assert database.states(text) == {"sent": 1, "canceled": 1}, trick
    assert refuser.number not in {message["to"] for message in gateway.received}
