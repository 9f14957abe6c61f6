# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A text comes in, is handed over, and is answered on a phone: in real browsers."""

import re

import pytest
from playwright.sync_api import expect
from support import SECRET, MailSink, wait_for

NUMBER = "+13125550187"
QUESTION = "Can you move my appointment to Friday? <b>Thanks</b>"
NOTE = "You know her, please take it."
ANSWER = "Friday at 10 is fine, see you then"


@pytest.fixture
def mails(odoo):
    """Give a mail server that Odoo sends through."""
    sink = MailSink()
    server = odoo.call(
        "ir.mail_server",
        "create",
        {
            "name": "Sink",
            "smtp_host": "127.0.0.1",
            "smtp_port": sink.port,
            "smtp_encryption": "none",
            "sequence": 1,
        },
    )
    odoo.call("ir.config_parameter", "set_param", "web.base.url", odoo.url)
    odoo.call("ir.config_parameter", "set_param", "mail.default.from", "crm")
    yield sink
    odoo.call("ir.mail_server", "unlink", [server])
    sink.close()


@pytest.fixture
def people(odoo):
    """Give two who answer and a manager; their passwords are their logins."""
    [manager] = odoo.call(
        "ir.model.data",
        "search_read",
        [("module", "=", "sms_gateway_hub"), ("name", "=", "group_manager")],
        ["res_id"],
    )
    return {
        login: odoo.call(
            "res.users",
            "create",
            {
                "name": login.title(),
                "login": login,
                "password": login,
                "email": f"{login}@example.com",
                "tz": "Europe/Berlin",
                **({"group_ids": [(4, manager["res_id"])]} if is_manager else {}),
            },
        )
        for login, is_manager in (("olga", False), ("nina", False), ("mara", True))
    }


def log_in(odoo, page, login):
    page.goto(f"{odoo.url}/web/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", login)
    page.click("button[type=submit]")
    page.wait_for_selector(".o_web_client")


def test_handed_over_and_answered_on_a_phone(
    odoo, database, gateway, people, mails, page, new_page, shoot
):
    """Live for its owner, handed over by a manager, answered from the e-mail's link."""
    gateway_id = odoo.make_gateway(gateway)
    contact = odoo.call(
        "res.partner",
        "create",
        {"name": "Ada Answer", "phone": NUMBER, "user_id": people["olga"]},
    )
    olga = page
    log_in(odoo, olga, "olga")
    olga.goto(f"{odoo.url}/odoo/action-sms_gateway_hub.action_sms_conversation")
    olga.wait_for_selector(".o_action_manager .o_view_controller")
    shoot("1-olga-before", olga)

    # It appears by itself, with a notification for its owner alone
    assert odoo.receive(gateway_id, SECRET, NUMBER, QUESTION) == 200
    popup = olga.locator(".o_notification", has_text="Ada Answer")
    expect(popup).to_contain_text("move my appointment")
    expect(olga.locator(".o_data_row", has_text="Ada Answer")).to_be_visible()
    expect(olga.locator(".o_view_nocontent")).to_have_count(0)
    shoot("2-olga-live", olga)
    popup.get_by_role("button", name=re.compile("Answer")).click()
    thread = olga.locator(".o_sms_thread")
    # What the other side wrote is a text, whatever it looks like.
    expect(thread.locator(".o_sms_bubble_in")).to_have_text(QUESTION)
    shoot("3-olga-thread", olga)
    [(conversation, owner, state)] = database.rows(
        "SELECT id, user_id, state FROM sms_conversation WHERE number = %s", NUMBER
    )
    assert (owner, state) == (people["olga"], "to_answer")
    assert open_activities(database, contact) == [people["olga"]]

    # A manager hands it over, with a note
    mara = new_page()
    log_in(odoo, mara, "mara")
    mara.goto(
        f"{odoo.url}/odoo/action-sms_gateway_hub.action_sms_conversation/{conversation}"
    )
    mara.get_by_role("button", name=re.compile("Hand over")).first.click()
    dialog = mara.locator(".modal:visible")
    dialog.locator("[name=user_id] input").fill("Nina")
    mara.locator(".o-autocomplete--dropdown-item", has_text="Nina").first.click()
    dialog.locator("[name=note] textarea").fill(NOTE)
    shoot("4-mara-hands-over", mara)
    dialog.get_by_role("button", name=re.compile("Hand over")).click()
    expect(dialog).to_have_count(0)
    wait_for(
        lambda: open_activities(database, contact) == [people["nina"]],
        what="the activity at its new owner",
    )

    # The e-mail that really went to the new owner
    mail = wait_for(lambda: mails.to("nina@example.com"), what="the e-mail")[-1]
    html = mail.get_body(("html",)).get_content()
    for part in ("Ada Answer", "move my appointment", NOTE, "&lt;b&gt;"):
        assert part in html, part
    link = re.search(r'href="([^"]*/sms/reply/[^"]+)"', html)[1]
    assert link.startswith(odoo.url)
    preview = new_page(width=680, height=900)
    preview.set_content(html)
    shoot("5-mail", preview)

    # Olga's own link has ended: it is no longer hers
    olga_mail = mails.to("olga@example.com")[-1].get_body(("html",)).get_content()
    old_link = re.search(r'href="([^"]*/sms/reply/[^"]+)"', olga_mail)[1]

    # Answered on a phone that is logged in nowhere
    phone = new_page(width=390, height=844, has_touch=True, is_mobile=True)
    assert phone.goto(old_link).status == 410
    shoot("6-phone-old-link", phone)
    assert phone.goto(link).status == 200
    expect(phone.locator(".thread")).to_contain_text("<b>Thanks</b>")
    phone.fill("#body", ANSWER)
    expect(phone.locator("#counter")).to_contain_text("1 SMS")
    shoot("7-phone-written", phone)
    assert not gateway.texts[ANSWER], "nothing is sent before the button is pressed"
    phone.get_by_role("button", name="Send", exact=True).click()
    expect(phone.locator(".notice.good")).to_be_visible()
    expect(phone.locator(".text.ours").last).to_contain_text(ANSWER)
    shoot("8-phone-sent", phone)
    phone.reload()

    wait_for(lambda: gateway.texts[ANSWER], what="the answer at the gateway")
    [sent] = [text for text in gateway.received if text["text"] == ANSWER]
    assert odoo.report(gateway_id, SECRET, ref=f"R-{sent['id']}", status="delivered")

    # Chatter, conversation and activity agree
    wait_for(
        lambda: (
            database.rows(
                "SELECT state, author_id, kind, partner_id FROM sms_gateway_message "
                "WHERE body = %s",
                ANSWER,
            )
            == [("delivered", people["nina"], "reply", contact)]
        ),
        what="the delivered answer",
    )
    assert gateway.texts[ANSWER] == 1
    assert database.rows(
        "SELECT state, user_id, unanswered_since, last_direction FROM sms_conversation "
        "WHERE id = %s",
        conversation,
    ) == [("waiting", people["nina"], None, "outgoing")]
    assert open_activities(database, contact) == []
    assert database.rows(
        "SELECT answered_by_id, answered_at IS NOT NULL, owner_id "
        "FROM sms_gateway_message WHERE number = %s AND direction = 'incoming'",
        NUMBER,
    )[0][:2] == (people["nina"], True)

    # Who still looks at it sees it without a reload
    expect(thread.locator(".o_sms_bubble_out")).to_have_text(ANSWER)
    expect(thread).to_contain_text("Delivered")
    shoot("9-olga-sees-the-answer", olga)
    mara.goto(f"{odoo.url}/odoo/contacts/{contact}")
    chatter = mara.locator(".o-mail-Chatter")
    expect(chatter).to_contain_text(ANSWER)
    expect(chatter).to_contain_text("move my appointment")
    expect(chatter.locator(".o-mail-Message-body b")).to_have_count(0)
    shoot("10-chatter", mara)


def open_activities(database, contact):
    """Return the users of the contact's open "Answer SMS" activities."""
    return [
        user
        for (user,) in database.rows(
            "SELECT activity.user_id FROM mail_activity AS activity "
            "JOIN ir_model_data AS data ON data.model = 'mail.activity.type' "
            "AND data.res_id = activity.activity_type_id "
            "AND data.name = 'mail_activity_type_answer' "
            "WHERE activity.active AND activity.res_model = 'res.partner' "
            "AND activity.res_id = %s",
            contact,
        )
    ]
