# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a newcomer does first, in a real browser on an empty database."""

import os
import re

import pytest
from playwright.sync_api import expect
from support import Database, OdooServer

from conftest import log_folder


@pytest.fixture(scope="module")
def empty_odoo(tmp_path_factory):
    """Give a running Odoo whose database has nothing but Odoo's web client."""
    database = Database(f"sgh_empty_{os.getpid()}")
    database.create(["web"])
    server = OdooServer(database, log_folder(tmp_path_factory) / "newcomer.log")
    yield server.start()
    server.stop()
    database.drop()


def test_newcomer_installs_texts_and_is_answered(empty_odoo, page, shoot):
    """From the empty Apps screen to a delivered and answered text, without a reload."""
    page.goto(f"{empty_odoo.url}/web/login")
    page.fill("input[name=login]", "admin")
    page.fill("input[name=password]", "admin")
    page.click("button[type=submit]")
    page.wait_for_selector(".o_web_client")

    # Apps: found by name, with an icon and a page of its own
    page.goto(f"{empty_odoo.url}/odoo/apps")
    page.fill(".o_searchview_input", "SMS Gateway Hub")
    page.get_by_text(re.compile(r"Search\s+Module\s+for")).first.click()
    expect(page.locator(".o_searchview_facet")).to_have_count(2)
    card = page.locator(".o_kanban_record:visible", has_text="SMS Gateway Hub").first
    expect(card).to_be_visible()
    icon = card.locator("img").first
    expect(icon).to_have_attribute("src", re.compile("sms_gateway_hub"))
    assert icon.evaluate("image => image.complete && image.naturalWidth > 0")
    shoot("1-apps")
    card.get_by_text("Module Info").click()
    form = page.locator(".o_form_view")
    expect(form).to_contain_text("SMS Gateway Hub")
    expect(form.get_by_role("heading", name="Not implemented")).to_be_visible()
    shoot("2-page")
    page.go_back()
    card.get_by_role("button", name="Activate").click()
    # Odoo reloads its client with the new apps; mail's systray is one of them.
    page.wait_for_selector(".o_menu_systray .fa-comments")
    page.click(".o_navbar_apps_menu button")
    expect(page.locator(".o_app[data-menu-xmlid^='sms_gateway_hub.']")).to_be_visible()

    # A contact
    page.goto(f"{empty_odoo.url}/odoo/contacts/new")
    page.fill(
        ".o_field_widget[name=name] input, .o_field_widget[name=name] textarea",
        "Ann Newcomer",
    )
    page.locator(".o_field_widget[name=phone] input").first.fill("+1 202-555-0143")
    page.keyboard.press("Tab")
    page.click(".o_form_button_save")
    page.evaluate("window.sameDocument = true")

    # A text
    page.click("button[name=action_sms_gateway_compose]")
    dialog = page.locator(".modal")
    dialog.locator(".o_field_widget[name=body] textarea").first.fill(
        "Hello Ann, are you coming on Friday?"
    )
    expect(dialog).to_contain_text("1 SMS (GSM-7)")
    shoot("3-composer")
    dialog.get_by_role("button", name="Send", exact=True).locator(
        "visible=true"
    ).click()

    # What became of it, and the answer
    chatter = page.locator(".o-mail-Chatter")
    sent = chatter.locator(".o-mail-Message", has_text="are you coming on Friday")
    expect(sent).to_contain_text("Delivered")
    expect(sent).to_contain_text(re.compile("SB-[0-9A-F]+"))
    expect(sent).to_contain_text("1 credit")
    expect(sent).to_contain_text(re.compile(r"\d{1,2}:\d{2}"))
    expect(chatter).to_contain_text("Thank you, I got your text.")
    assert page.evaluate("window.sameDocument === true"), "the page was reloaded"
    shoot("4-answered")
