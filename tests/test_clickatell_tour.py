# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The set-up guide of Clickatell, followed in a real browser against the fake one."""

import re

import pytest
from fakes.clickatell import FakeClickatell
from playwright.sync_api import expect
from test_conversation_tour import log_in

KEY = "Tour+key/of-the-fake=="


@pytest.fixture
def fake():
    """Give a fake Clickatell with its page, which delivers after a second."""
    with FakeClickatell(key=KEY, deliver_after_s=1, habits=True) as server:
        yield server


@pytest.fixture(autouse=True)
def no_other_gateway(odoo):
    """Take other gateways out of service: a newcomer has none."""
    others = odoo.call("sms.gateway", "search", [("state", "!=", "disabled")])
    odoo.call("sms.gateway", "write", others, {"state": "disabled"})


def fill(page, name, value):
    field = page.locator(f".o_field_widget[name={name}] input:visible").first
    field.fill(value)
    field.press("Tab")


def save(page):
    page.click(".o_form_button_save")
    expect(page.locator(".o_form_button_save")).to_be_hidden()


def copy(page, name):
    """Return an address that the form shows, as its button would copy it."""
    return page.locator(f".o_field_widget[name={name}]").first.inner_text().strip()


def test_set_up_from_the_guide(odoo, fake, page, new_page, shoot):
    """Key, connection, two addresses, a text, its report and the answer to it."""
    log_in(odoo, page, "admin")

    # 2. Key and connection
    page.goto(f"{odoo.url}/odoo")
    page.click(".o_navbar_apps_menu button")
    page.locator(".o_app[data-menu-xmlid^='sms_gateway_hub.']").click()
    page.locator(".o_menu_sections").get_by_text("Gateways", exact=True).click()
    page.get_by_role("button", name="New", exact=True).click()
    fill(page, "name", "Clickatell")
    page.locator(".o_field_widget[name=code] input").click()
    page.locator(".o_select_menu_item", has_text="Clickatell").click()
    expect(page.locator("[name=clickatell_api_key]").first).to_be_visible()
    shoot("clickatell-1-new")
    fill(page, "clickatell_api_key", KEY.rstrip("="))
    fill(page, "clickatell_url", fake.url)
    page.get_by_role("tab", name="Sending").click()
    page.locator(".o_field_widget[name=local_network] input").check()
    save(page)
    page.get_by_role("button", name="Test connection").click()
    dialog = page.locator(".modal")
    expect(dialog).to_contain_text("does not accept the API key")
    shoot("clickatell-2-wrong-key")
    dialog.get_by_role("button", name="Close").first.click()
    fill(page, "clickatell_api_key", KEY)
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator(".o_notification")).to_contain_text(
        re.compile("connect|accept|answer", re.I)
    )
    shoot("clickatell-3-connected")

    # 3. Sender and answers
    page.get_by_role("tab", name="Sending").click()
    page.locator(".o_field_widget[name=clickatell_two_way] input").check()
    fill(page, "sender", "15550100200")
    shoot("clickatell-4-two-way")

    # 4. The two addresses
    page.get_by_role("tab", name="Callback addresses").click()
    expect(page.get_by_text("these addresses answer nobody")).to_be_visible()
    page.get_by_role("radio", name="Test", exact=True).click()
    expect(page.get_by_text("these addresses answer nobody")).to_be_hidden()
    fill(page, "webhook_base_url", odoo.url)
    fill(page, "clickatell_callback_user", "odoo")
    fill(page, "clickatell_callback_password", "made-up by me")
    save(page)
    status_url = copy(page, "webhook_status_url")
    inbound_url = copy(page, "webhook_inbound_url")
    assert status_url.startswith(odoo.url)
    shoot("clickatell-5-addresses")
    portal = new_page()
    portal.goto(fake.url)
    expect(portal.locator("dl").first).to_contain_text(KEY)
    settings = portal.locator("form#one")
    settings.locator("[name=status_url]").fill(status_url)
    settings.locator("[name=reply_url]").fill(inbound_url)
    settings.locator("[name=user]").fill("odoo")
    settings.locator("[name=password]").fill("made-up by me")
    settings.get_by_role("button", name="Save").click()
    expect(portal.get_by_role("status")).to_contain_text("The addresses answer")
    shoot("clickatell-6-portal", portal)
    # Odoo saves what a hidden tab holds: not at the same time as this.
    page.bring_to_front()
    page.get_by_role("radio", name="Enabled").click()
    expect(page.get_by_role("radio", name="Enabled", checked=True)).to_be_visible()
    gateway_url = page.url

    # 5. A text, its report, and the answer
    page.goto(f"{odoo.url}/odoo/contacts/new")
    page.fill(
        ".o_field_widget[name=name] input, .o_field_widget[name=name] textarea",
        "Ann of the guide",
    )
    page.locator(".o_field_widget[name=phone] input").first.fill("+1 202-555-0171")
    page.keyboard.press("Tab")
    page.click(".o_form_button_save")
    page.evaluate("window.sameDocument = true")
    page.click("button[name=action_sms_gateway_compose]")
    dialog = page.locator(".modal")
    dialog.locator(".o_field_widget[name=body] textarea").first.fill(
        "Hello Ann, Ωmega on Friday?"
    )
    dialog.get_by_role("button", name="Send", exact=True).locator(
        "visible=true"
    ).click()
    chatter = page.locator(".o-mail-Chatter")
    sent = chatter.locator(".o-mail-Message", has_text="mega on Friday")
    expect(sent).to_contain_text("Delivered")
    (text,) = fake.taken.values()
    assert (text.text, text.sender) == ("Hello Ann, Ωmega on Friday?", "15550100200")
    expect(sent).to_contain_text(text.ref[:8])
    portal.goto(fake.url)
    card = portal.locator(".text-card", has_text="mega on Friday")
    expect(card).to_contain_text("delivered")
    card.get_by_label("Answer").fill("Ja, größer geht's nicht 😀")
    card.get_by_role("button", name="Answer").click()
    expect(portal.get_by_role("status")).to_contain_text("handed over")
    shoot("clickatell-7-answered", portal)
    expect(chatter).to_contain_text("Ja, größer geht's nicht 😀")
    assert page.evaluate("window.sameDocument === true"), "the page was reloaded"
    shoot("clickatell-8-contact")

    # On a phone
    phone = new_page(390, 844)
    log_in(odoo, phone, "admin")
    phone.goto(gateway_url)
    expect(phone.locator("[name=clickatell_api_key]").first).to_be_visible()
    shoot("clickatell-9-phone", phone)
    phone.goto(fake.url)
    expect(phone.locator(".text-card").first).to_be_visible()
    wide = phone.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"the fake's page is {wide} px wide"
    shoot("clickatell-10-phone-fake", phone)
    assert fake.urls_with_secrets == 0
