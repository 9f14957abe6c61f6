/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {
    asyncStep,
    defineModels,
    fields,
    makeServerError,
    models,
    onRpc,
    waitForSteps,
} from "@web/../tests/web_test_helpers";
import {
    click,
    contains,
    insertText,
    openFormView,
    start,
    startServer,
    triggerHotkey,
} from "@mail/../tests/mail_test_helpers";
import {describe, expect, queryAllTexts, queryOne, test} from "@odoo/hoot";
import {defineSMSModels} from "@sms/../tests/sms_test_helpers";
import {getService} from "@web/../tests/_framework/env_test_helpers";
import {mockDate} from "@odoo/hoot-mock";

describe.current.tags("desktop");

class SmsConversation extends models.Model {
    _name = "sms.conversation";

    name = fields.Char();
    can_answer = fields.Boolean();
    no_answer_reason = fields.Char();
    _records = [
        {id: 1, name: "Ada", can_answer: true},
        {id: 2, name: "BANK", no_answer_reason: "“BANK” is no phone number."},
    ];
}
defineSMSModels();
defineModels([SmsConversation]);

const NOW = "2026-11-20 10:00:00";
const ARCH = `<form><field name="name"/><widget name="sms_conversation_thread"/></form>`;
const TEXT = ".o_sms_thread_text";
const BOX = ".o_sms_thread textarea";

/**
 * @param {number} id
 * @param {Object} values that differ
 * @returns {Object} a text as the server gives it
 */
function makeText(id, values = {}) {
    return {
        id,
        direction: "incoming",
        body: `Text ${id}`,
        date: "2026-11-20 09:00:00",
        author: false,
        kind: "single",
        state: "received",
        state_label: "Received",
        failure: false,
        gateway: "Sandbox",
        contact: "Ada",
        mail_message_id: 1000 + id,
        ...values,
    };
}

/**
 * Open a conversation.
 *
 * @param {Object[]} texts what the server has, oldest first; may grow
 * @param {number} [id]
 * @returns {Promise<Object>} the server
 */
async function openConversation(texts, id = 1) {
    mockDate(NOW, 0);
    onRpc("sms.conversation", "get_thread", ({args}) => {
        const [, beforeId, limit] = args;
        const found = texts.filter((text) => !beforeId || text.id < beforeId);
        return {
            messages: found.slice(-limit),
            has_more: found.length > limit,
        };
    });
    const pyEnv = await startServer();
    await start();
    await openFormView("sms.conversation", id, {arch: ARCH});
    await contains(".o_sms_thread");
    return pyEnv;
}

/**
 * @param {Object} pyEnv
 * @param {string} type
 * @param {Object} payload
 */
function send(pyEnv, type, payload) {
    pyEnv["bus.bus"]._sendone("broadcast", type, payload);
}

test("texts are shown by day, with author, state and reason", async () => {
    await openConversation([
        makeText(1, {date: "2026-11-18 09:00:00"}),
        makeText(2, {
            direction: "outgoing",
            kind: "reply",
            author: "Mary",
            state: "failed",
            state_label: "Failed",
            failure: "Refused by the gateway",
            date: "2026-11-19 09:00:00",
        }),
        makeText(3, {
            direction: "outgoing",
            kind: "automatic",
            author: "OdooBot",
            state: "delivered",
            state_label: "Delivered",
        }),
    ]);
    await contains(TEXT, {count: 3});
    expect(queryAllTexts(".o_sms_thread_day")).toEqual([
        "Wed, November 18",
        "Yesterday",
        "Today",
    ]);
    await contains(`${TEXT}[data-id='1'] .o_sms_bubble_in`, {text: "Text 1"});
    await contains(`${TEXT}[data-id='2'] .o_sms_thread_meta`, {text: "Mary"});
    await contains(`${TEXT}[data-id='2'] .o_sms_thread_state`, {text: "Failed"});
    await contains(`${TEXT}[data-id='2'] .o_sms_thread_failure.text-danger`, {
        text: "Refused by the gateway",
    });
    await contains(`${TEXT}[data-id='3'] .o_sms_bubble_mark`, {
        text: "Automatic answer",
    });
    await contains(`${TEXT}[data-id='3'] .o_sms_thread_meta`, {
        text: "OdooBot",
        count: 0,
    });
});

const HOSTILE = [
    ["HTML", `<img src="x" onerror="window.evil = 1"><b>bold</b>`],
    ["a template", "{{ 7*7 }} <t t-out='1'/> ${1}"],
    ["10,000 characters", "x".repeat(10000)],
    ["right to left", "שלום \u202eabc"],
    ["lines", "one\n\n  two"],
];
for (const [name, body] of HOSTILE) {
    test(`a text with ${name} is shown as it came`, async () => {
        await openConversation([makeText(1, {body})]);
        await contains(".o_sms_bubble_body");
        const shown = queryOne(".o_sms_bubble_body");
        expect(shown.textContent).toBe(body);
        expect(shown.children.length).toBe(0);
        expect(shown.getAttribute("dir")).toBe("auto");
        expect(getComputedStyle(shown).whiteSpace).toBe("pre-wrap");
        expect(shown.scrollWidth <= shown.clientWidth + 1).toBe(true);
        expect(window.evil).toBe(undefined);
    });
}

test("older texts are loaded above, and stay when news come", async () => {
    const texts = [];
    for (let id = 1; id <= 90; id++) {
        texts.push(makeText(id));
    }
    const pyEnv = await openConversation(texts);
    await contains(TEXT, {count: 40});
    await click(".o_sms_thread_older");
    await contains(TEXT, {count: 80});
    texts.push(makeText(91));
    send(pyEnv, "sms_gateway_hub.update", {conversation_ids: [1]});
    await contains(TEXT, {count: 81});
    await contains(`${TEXT}[data-id='91']`);
    await click(".o_sms_thread_older");
    await contains(TEXT, {count: 91});
    await contains(".o_sms_thread_older", {count: 0});
});

test("the thread follows news of its own conversation and texts alone", async () => {
    const texts = [makeText(1)];
    const pyEnv = await openConversation(texts);
    await contains(TEXT, {count: 1});
    onRpc("sms.conversation", "get_thread", () => {
        asyncStep("asked");
    });
    send(pyEnv, "sms_gateway_hub.update", {conversation_ids: [2]});
    send(pyEnv, "sms_gateway_hub.update", {mail_message_ids: [4711]});
    texts[0] = makeText(1, {body: "Changed"});
    send(pyEnv, "sms_gateway_hub.update", {mail_message_ids: [1001]});
    await contains(".o_sms_bubble_body", {text: "Changed"});
    await waitForSteps(["asked"]);
});

test("an answer is counted, sent by Ctrl+Enter and appears", async () => {
    const texts = [makeText(1)];
    await openConversation(texts);
    onRpc("sms.conversation", "action_answer", ({args}) => {
        const [id, body, uuid] = args;
        asyncStep(`${id} ${body}`);
        expect(uuid).toMatch(/^[0-9a-f]{32}$/);
        texts.push(makeText(2, {direction: "outgoing", body, author: "Mitchell"}));
        return {messages: texts, has_more: false};
    });
    await contains(".o_sms_thread_send:disabled");
    await insertText(BOX, "Yes 😀");
    await contains(".o_sms_thread_counter", {text: "6 / 70 characters · 1 SMS"});
    await contains(".o_sms_thread_counter[title*='because of “😀”']");
    triggerHotkey("control+Enter");
    await contains(".o_sms_bubble_out", {text: "Yes 😀"});
    await contains(BOX, {value: ""});
    await waitForSteps(["1 Yes 😀"]);
});

test("whoever came by “Answer” can write at once", async () => {
    await openConversation([makeText(1)]);
    expect(BOX).not.toBeFocused();
    getService("sms_gateway_hub.live").answerId = 2;
    await openFormView("sms.conversation", 1, {arch: ARCH});
    expect(BOX).not.toBeFocused();
    getService("sms_gateway_hub.live").answerId = 1;
    await openFormView("sms.conversation", 1, {arch: ARCH});
    await contains(`${BOX}:focus`);
});

test("a refused answer says why, keeps the text and its id", async () => {
    await openConversation([makeText(1)]);
    const uuids = [];
    onRpc("sms.conversation", "action_answer", ({args}) => {
        uuids.push(args[2]);
        throw makeServerError({message: "The recipient refused texts."});
    });
    await insertText(BOX, "Hello");
    await click(".o_sms_thread_send");
    await contains(".o_sms_thread_error", {text: "The recipient refused texts."});
    await contains(BOX, {value: "Hello"});
    await click(".o_sms_thread_send:enabled");
    await contains(".o_sms_thread_error");
    expect(uuids.length).toBe(2);
    expect(uuids[0]).toBe(uuids[1]);
    await insertText(BOX, " again");
    await contains(".o_sms_thread_error", {count: 0});
});

test("who cannot be answered has no box, and the reason is told", async () => {
    await openConversation([makeText(1)], 2);
    await contains(".o_sms_thread_no_answer", {text: "“BANK” is no phone number."});
    await contains(BOX, {count: 0});
});

test("the draft is kept while another conversation is looked at", async () => {
    await openConversation([makeText(1)]);
    await insertText(BOX, "Half an ans");
    await openFormView("sms.conversation", 2, {arch: ARCH});
    await contains(".o_sms_thread_no_answer");
    await openFormView("sms.conversation", 1, {arch: ARCH});
    await contains(BOX, {value: "Half an ans"});
});

test("a text is told of once, unless its conversation is open", async () => {
    const pyEnv = await openConversation([makeText(1)]);
    send(pyEnv, "sms_gateway_hub.inbound", {
        conversation_id: 1,
        title: "SMS from Ada",
        body: "Not to be seen",
    });
    for (const body of ["First", "<b>Second</b>"]) {
        send(pyEnv, "sms_gateway_hub.inbound", {
            conversation_id: 2,
            title: "SMS from BANK",
            body,
        });
    }
    await contains(".o_notification_content:contains(Second)", {count: 1});
    expect(queryOne(".o_notification_content").textContent).toInclude(
        "SMS from BANK. <b>Second</b>",
    );
    await contains(".o_notification", {count: 1});
    await contains(".o_notification b", {count: 0});
    const steps = [];
    getService("action").doAction = (action) => steps.push(action.res_id);
    await click(".o_notification button", {text: "Answer"});
    await contains(".o_notification", {count: 0});
    expect(steps).toEqual([2]);
});
