# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A contact with three numbers, in a real browser: ranked, dead, refused."""

import itertools
import re

import pytest
from playwright.sync_api import expect
from support import wait_for

_tours = itertools.count(1)


@pytest.fixture
def numbers(odoo, database):
    """Give three numbers as people type them, and a sandbox that knows them.

    The third does not exist any more; whoever has the first answers STOP.
    """
    start = 5_551_000 + 10 * next(_tours)
    first, second, third = (f"{start + n}" for n in range(3))
    others = odoo.call("sms.gateway", "search", [("state", "!=", "disabled")])
    odoo.call("sms.gateway", "write", others, {"state": "disabled"})
    # What is typed without a country code is of the company's country.
    country = odoo.call("res.country", "search", [("code", "=", "US")])[0]
    company = odoo.call("res.users", "read", [2], ["company_id"])[0]["company_id"][0]
    odoo.call("res.company", "write", [company], {"country_id": country})
    gateway = odoo.call(
        "sms.gateway",
        "create",
        {
            "name": "Sandbox of the tour",
            "code": "sandbox",
            "state": "enabled",
            "try_next_number": True,
            "sandbox_rule_ids": [
                (
                    0,
                    0,
                    {
                        "sequence": 1,
                        "number_suffix": third,
                        "outcome": "undelivered",
                        "delay_s": 1,
                    },
                ),
                (
                    0,
                    0,
                    {
                        "sequence": 2,
                        "number_suffix": first,
                        "text_contains": "Friday",
                        "outcome": "delivered",
                        "delay_s": 1,
                        "reply": "STOP",
                    },
                ),
                (0, 0, {"sequence": 3, "outcome": "delivered", "delay_s": 0}),
            ],
        },
    )
    yield [
        f"(404) {first[:3]}-{first[3:]}",
        f"+1 404 {second[:3]} {second[3:]}",
        f"1-404-{third[:3]}-{third[3:]}",
    ]
    odoo.call("sms.gateway", "write", [gateway], {"state": "disabled"})


def e164(typed):
    digits = re.sub(r"\D", "", typed)
    return f"+{digits}" if len(digits) == 11 else f"+1{digits}"


def test_contact_with_three_numbers(odoo, database, page, shoot, numbers):
    """Ranked by dragging; a dead number passes the text on; STOP refuses the third."""
    first, second, third = (e164(number) for number in numbers)

    # Wide enough for the chatter beside the form.
    page.set_viewport_size({"width": 1720, "height": 1000})
    page.goto(f"{odoo.url}/web/login")
    page.fill("input[name=login]", "admin")
    page.fill("input[name=password]", "admin")
    page.click("button[type=submit]")
    page.wait_for_selector(".o_web_client")

    # Three numbers, in the formats that people type
    page.goto(f"{odoo.url}/odoo/contacts/new")
    page.fill(
        ".o_field_widget[name=name] input, .o_field_widget[name=name] textarea",
        "Tara Tour",
    )
    page.get_by_role("tab", name="Texting").click()
    mobiles = page.locator(".o_field_widget[name=mobile_ids]")
    expect(mobiles).to_be_visible()
    shoot("1-texting-empty")
    rows = mobiles.locator(".o_data_row")
    for count, number in enumerate(numbers, 1):
        mobiles.get_by_role("button", name=re.compile("Add a")).click()
        expect(rows).to_have_count(count)
        expect(rows.nth(count - 1)).to_have_class(re.compile("o_selected_row"))
        rows.nth(count - 1).locator("[name=number] input").fill(number)
    page.keyboard.press("Tab")
    page.click(".o_form_button_save")
    expect(page.locator(".o_form_saved, .o_form_readonly").first).to_be_attached()
    expect(rows).to_have_count(3)
    shoot("2-three-numbers")

    def ranking():
        return [
            number
            for (number,) in database.rows(
                "SELECT number_e164 FROM res_partner_mobile "
                "WHERE number_e164 = ANY(%s) ORDER BY sequence, id",
                [first, second, third],
            )
        ]

    wait_for(lambda: ranking() == [first, second, third], what="the three numbers")

    # Ranked by dragging: the third comes first
    handle = rows.nth(2).locator(".o_row_handle")
    box, target = handle.bounding_box(), rows.nth(0).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 4, box["y"] - 10, steps=4)
    page.mouse.move(target["x"] + 12, target["y"] + 4, steps=12)
    shoot("3-dragging")
    page.mouse.up()
    expect(rows.nth(0)).to_contain_text(re.compile(numbers[2][-4:]))
    page.click(".o_form_button_save")
    wait_for(lambda: ranking() == [third, first, second], what="the new ranking")
    shoot("4-ranked")

    # A text from the form goes to the first number, then by itself to the second
    def compose(text):
        page.click("button[name=action_sms_gateway_compose]")
        dialog = page.locator(".modal:visible")
        dialog.locator(".o_field_widget[name=body] textarea").first.fill(text)
        return dialog

    dialog = compose("Hello Tara, see you on Friday?")
    expect(dialog.locator("[name=recipient_single_number_itf] input")).to_have_value(
        third
    )
    expect(dialog).to_contain_text("1 SMS (GSM-7)")
    shoot("5-composer")
    send = dialog.get_by_role("button", name="Send", exact=True)
    send.locator("visible=true").click()
    expect(dialog).to_have_count(0)
    chatter = page.locator(".o-mail-Chatter")
    wait_for(
        lambda: (
            database.rows(
                "SELECT number, state, failure_type FROM sms_gateway_message "
                "WHERE body LIKE 'Hello Tara%%' ORDER BY id"
            )
            == [(third, "undelivered", "number_dead"), (first, "delivered", None)]
        ),
        what="the text to the next number",
    )
    sent = chatter.locator(".o-mail-Message", has_text="see you on Friday").first
    expect(sent).to_contain_text("Delivered")
    shoot("6-passed-on")

    # Whoever has that number says STOP, and is told once that it was heard
    said = chatter.locator(".o-mail-Message-body", has_text=re.compile("^STOP$"))
    expect(said).to_have_count(1)
    wait_for(
        lambda: (
            database.rows(
                "SELECT state FROM sms_gateway_message "
                "WHERE number = %s AND exempt = 'answer'",
                first,
            )
            == [("delivered",)]
        ),
        what="the confirmation",
    )
    shoot("7-stop-in-the-chatter")

    # The contact tells which number is dead and which one refused
    page.reload()
    page.get_by_role("tab", name="Texting").click()
    expect(rows.nth(0)).to_contain_text("Does not exist")
    expect(rows.nth(1)).to_contain_text("Refused")
    shoot("8-dead-and-refused")
    page.get_by_role("tab", name="Consent").click()
    shoot("9-consent")

    # The third attempt is refused, with the reason on screen before anything is sent
    dialog = compose("One more, on Friday")
    refusal = dialog.locator(".alert-danger:visible")
    expect(refusal).to_contain_text("refused texts")
    shoot("10-refused")
    send = dialog.get_by_role("button", name="Send", exact=True)
    send.locator("visible=true").click()
    error = page.locator(".modal:visible", has_text="Invalid Operation")
    expect(error).to_contain_text("refused texts")
    shoot("11-send-refused")
    error.get_by_role("button", name="Close").last.click()
    # Nothing is lost of what was written.
    expect(dialog.locator(".o_field_widget[name=body] textarea").first).to_have_value(
        "One more, on Friday"
    )
    shoot("12-after-the-refusal")
    assert not database.rows(
        "SELECT 1 FROM sms_gateway_message WHERE body LIKE 'One more%%' "
        "AND state <> 'canceled'"
    )
