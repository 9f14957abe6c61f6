/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import {describe, expect, test} from "@odoo/hoot";
import {SmsWidget} from "@sms/components/sms_widget/fields_sms_widget";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {nameUnsupportedChars} from "@sms_gateway_hub/fields/sms_widget_patch";

class Letter extends models.Model {
    _name = "letter";

    body = fields.Text();

    _records = [
        {id: 1, body: "Hello"},
        {id: 2, body: "ş😀".repeat(24)},
    ];
}

describe.current.tags("desktop");
defineMailModels();
defineModels([Letter]);

const mountLetter = (resId = 1) =>
    mountView({
        type: "form",
        resModel: "letter",
        resId,
        arch: `<form><field name="body" widget="sms_widget"/></form>`,
    });

test("the counter follows the text and drops core's price link", async () => {
    await mountLetter();
    expect(".o_sms_count").toHaveText("5 / 160 characters · 1 SMS (GSM-7)");
    expect(".o_sms_count a").toHaveCount(0);
    const rows = [
        ["5 € [x]", "10 / 160 characters · 1 SMS (GSM-7)"],
        ["a\nb", "3 / 160 characters · 1 SMS (GSM-7)"],
        ["a".repeat(161), "161 / 306 characters · 2 SMS (GSM-7)"],
        ["€".repeat(153), "306 / 457 characters · 3 SMS (GSM-7)"],
        ["Merhaba Ayşe", "12 / 70 characters · 1 SMS (Unicode: “ş”)"],
        ["", "0 / 160 characters · 0 SMS (GSM-7)"],
    ];
    for (const [text, counter] of rows) {
        await contains(".o_field_widget[name=body] textarea").edit(text);
        expect(".o_sms_count").toHaveText(counter);
    }
});

test("the counter follows each key", async () => {
    await mountLetter();
    await contains(".o_field_widget[name=body] textarea").fill("!", {confirm: false});
    expect(".o_sms_count").toHaveText("6 / 160 characters · 1 SMS (GSM-7)");
});

test("the counter names each character that forces Unicode", async () => {
    await mountLetter(2);
    expect(".o_sms_count").toHaveText(
        "72 / 134 characters · 2 SMS (Unicode: “ş” “😀”)",
    );
});

test("the tooltip tells the room left and why it is small", async () => {
    await mountLetter();
    expect(".o_sms_count span").toHaveAttribute(
        "title",
        "155 characters left in the current SMS. Each of € ^ { } [ ] ~ \\ | counts as two.",
    );
    await contains(".o_field_widget[name=body] textarea").edit("ş {{ object.name }}");
    expect(".o_sms_count span").toHaveAttribute(
        "title",
        "51 characters left in the current SMS. An SMS has room for 70 characters" +
            " instead of 160 because of “ş”. Placeholders count as written here;" +
            " each text is counted again with its own values when it is sent.",
    );
});

test("what other addons replace and append is counted and explained", async () => {
    patchWithCleanup(SmsWidget.prototype, {
        get nbrChar() {
            return super.nbrChar + 150;
        },
        get nbrCharExplanation() {
            return " (including opt-out link)";
        },
        _getValueForSmsCounts(value) {
            return super._getValueForSmsCounts(value).replaceAll("Hello", "Hi €");
        },
    });
    await mountLetter();
    expect(".o_sms_count").toHaveText(
        "155 / 160 characters (including opt-out link) · 1 SMS (GSM-7)",
    );
    await contains(".o_field_widget[name=body] textarea").edit("Hello, Hello");
    expect(".o_sms_count").toHaveText(
        "162 / 306 characters (including opt-out link) · 2 SMS (GSM-7)",
    );
});

test("core's own names give the right answers", async () => {
    const read = {};
    patchWithCleanup(SmsWidget.prototype, {
        get smsGatewayCounter() {
            Object.assign(read, {
                encoding: this.encoding,
                nbrChar: this.nbrChar,
                nbrSMS: this.nbrSMS,
            });
            return super.smsGatewayCounter;
        },
    });
    await mountLetter();
    await contains(".o_field_widget[name=body] textarea").edit("€\n".repeat(51));
    expect(read).toEqual({encoding: "GSM7", nbrChar: 153, nbrSMS: 1});
    await contains(".o_field_widget[name=body] textarea").edit("ş\n");
    expect(read).toEqual({encoding: "UNICODE", nbrChar: 2, nbrSMS: 1});
    const {_countSMS, _extractEncoding} = SmsWidget.prototype;
    expect(_extractEncoding("[€]")).toBe("GSM7");
    expect(_extractEncoding("ş")).toBe("UNICODE");
    expect([0, 160, 161, 306, 307].map((n) => _countSMS(n, "GSM7"))).toEqual([
        0, 1, 2, 2, 3,
    ]);
    expect([0, 70, 71, 134, 135].map((n) => _countSMS(n, "UNICODE"))).toEqual([
        0, 1, 2, 2, 3,
    ]);
});

test("characters that force Unicode are named so that they can be seen", () => {
    expect(nameUnsupportedChars("5 €")).toBe("");
    expect(nameUnsupportedChars("ş ş ğ")).toBe("“ş” “ğ”");
    expect(nameUnsupportedChars("5\u00a0€\u200b")).toBe("U+00A0 U+200B");
    expect(nameUnsupportedChars("👩\u200d👧")).toBe("“👩” “👧”");
    expect(nameUnsupportedChars("a\u200db")).toBe("U+200D");
    expect(nameUnsupportedChars("ğüşıİç")).toBe("“ğ” “ş” “ı” “İ” “ç”");
    expect(nameUnsupportedChars("ğşıİçĞ")).toBe("“ğ” “ş” “ı” “İ” “ç” …");
});
