/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {
    contains,
    openFormView,
    start,
    startServer,
} from "@mail/../tests/mail_test_helpers";
import {describe, expect, test} from "@odoo/hoot";
import {advanceTime, animationFrame, mockDate} from "@odoo/hoot-mock";
import {asyncStep, onRpc, waitForSteps} from "@web/../tests/web_test_helpers";
import {rpc} from "@web/core/network/rpc";
import {Deferred} from "@web/core/utils/concurrency";
import {defineSMSModels} from "@sms/../tests/sms_test_helpers";
import {getService} from "@web/../tests/_framework/env_test_helpers";

describe.current.tags("desktop");
defineSMSModels();

const LINE = ".o-sms-gateway-MessageSms-line";
const NOW = "2026-11-20 10:00:00";
const TEXT = {
    cost_text: false,
    delivered_at: false,
    direction: "outgoing",
    external_ref: false,
    failure_text: false,
    gateway_name: "Sandbox",
    id: 1,
    number: "+12025550101",
    scheduled_at: false,
    segments: 1,
    state: "queued",
    state_at: "2026-11-20 08:30:00",
    state_label: "Queued",
};

/**
 * Open a contact with one chatter message that is a text.
 *
 * @param {Object[]} texts what the server says of the texts of the message
 * @returns {Promise<{pyEnv: Object, partnerId: number, messageId: number}>}
 */
async function openContact(texts) {
    mockDate(NOW, 0);
    const pyEnv = await startServer();
    const partnerId = pyEnv["res.partner"].create({name: "Ada"});
    const messageId = pyEnv["mail.message"].create({
        body: "Hello",
        message_type: "sms",
        model: "res.partner",
        res_id: partnerId,
    });
    await start();
    await openFormView("res.partner", partnerId);
    await contains(".o-mail-Message");
    getService("mail.store").insert(storeData(messageId, texts));
    return {pyEnv, partnerId, messageId};
}

/**
 * @param {number} messageId
 * @param {Object[]} texts
 * @returns {Object} store data as the server answers
 */
function storeData(messageId, texts) {
    return {
        "mail.message": [
            {id: messageId, sms_gateway_message_ids: texts.map(({id}) => id)},
        ],
        "sms.gateway.message": texts,
    };
}

const rows = [
    ["queued", {}, ["Queued", "Sandbox"], "fa-hourglass-half"],
    [
        "scheduled",
        {scheduled_at: "2026-11-21 09:00:00"},
        ["Waits until Nov 21, 9:00 AM", "Sandbox"],
        "fa-hourglass-half",
    ],
    [
        "sent",
        {state: "sent", state_label: "Sent", external_ref: "SB-1", segments: 2},
        ["Sent 8:30 AM", "Sandbox", "SB-1", "2 parts"],
        "fa-check",
    ],
    [
        "delivered",
        {
            cost_text: "1 credit",
            delivered_at: "2026-11-20 08:31:00",
            external_ref: "SB-1",
            state: "delivered",
            state_label: "Delivered",
        },
        ["Delivered 8:31 AM", "Sandbox", "SB-1", "1 credit"],
        "fa-check-circle",
    ],
    [
        "failed",
        {state: "failed", state_label: "Failed", failure_text: "There is no number."},
        ["Failed 8:30 AM", "Sandbox", "There is no number."],
        "fa-exclamation-circle",
    ],
    [
        "unconfirmed",
        {state: "unconfirmed", state_label: "Unconfirmed"},
        ["Unconfirmed 8:30 AM", "Sandbox"],
        "fa-question-circle",
    ],
    [
        "received",
        {direction: "incoming", state: "received", state_label: "Received"},
        ["Received 8:30 AM", "Sandbox"],
        "fa-check-circle",
    ],
];
for (const [name, values, parts, icon] of rows) {
    test(`the chatter shows a text that is ${name}`, async () => {
        await openContact([{...TEXT, ...values}]);
        await contains(LINE, {count: 1});
        for (const part of parts) {
            await contains(LINE, {text: part});
        }
        await contains(`${LINE} .o-sms-gateway-MessageSms-state i.${icon}`);
        const arrow = values.direction === "incoming" ? "left" : "right";
        await contains(`${LINE} > i.fa-long-arrow-${arrow}`);
    });
}

test("an unconfirmed text explains itself", async () => {
    await openContact([{...TEXT, state: "unconfirmed", state_label: "Unconfirmed"}]);
    await contains(`${LINE} a[title*='It is not sent again by itself']`);
});

test("many texts of one message are folded and tell their numbers", async () => {
    const texts = [1, 2, 3, 4, 5, 6].map((id) => ({
        ...TEXT,
        id,
        number: `+1202555010${id}`,
    }));
    await openContact(texts);
    await contains(LINE, {count: 4});
    await contains(`${LINE}:first-child`, {text: "+12025550101"});
    await contains(".o-sms-gateway-MessageSms > a", {text: "Show 2 more"});
});

test("news of a text change its line, and are asked for once", async () => {
    const {pyEnv, messageId} = await openContact([TEXT]);
    onRpc("sms.gateway.message", "get_chatter_data", ({args}) => {
        asyncStep(`asked for ${args[0].join()}`);
        return storeData(messageId, [
            {...TEXT, state: "sent", state_label: "Sent", external_ref: "SB-1"},
        ]);
    });
    for (let i = 0; i < 3; i++) {
        pyEnv["bus.bus"]._sendone(
            "broadcast",
            "sms_gateway_hub.update",
            // The second one is not loaded: it is not asked for.
            {mail_message_ids: [messageId, 987654], threads: []},
        );
    }
    await contains(LINE, {text: "SB-1"});
    await waitForSteps([`asked for ${messageId}`]);
});

const SENT = {...TEXT, state: "sent", state_label: "Sent"};
const DELIVERED = {...TEXT, state: "delivered", state_label: "Delivered"};

/**
 * Let news of a message come, and let the client gather them.
 *
 * @param {number} messageId
 */
async function bringNews(messageId) {
    getService("sms_gateway_hub.live").onUpdate({mail_message_ids: [messageId]});
    await advanceTime(500);
}

test("an answer that is late does not undo a newer one", async () => {
    const {messageId} = await openContact([TEXT]);
    const late = new Deferred();
    const answers = [SENT, DELIVERED];
    onRpc("sms.gateway.message", "get_chatter_data", async () => {
        const text = answers.shift();
        asyncStep(text.state);
        if (text === SENT) {
            await late;
        }
        return storeData(messageId, [text]);
    });
    await bringNews(messageId);
    await waitForSteps(["sent"]);
    await bringNews(messageId);
    late.resolve();
    await waitForSteps(["delivered"]);
    await animationFrame();
    await contains(LINE, {text: "Delivered 8:30 AM"});
});

test("what was being fetched when news came does not undo them", async () => {
    const {messageId} = await openContact([TEXT]);
    const late = new Deferred();
    onRpc("/mail/made_up", async () => {
        await late;
        return storeData(messageId, [SENT]);
    });
    onRpc("sms.gateway.message", "get_chatter_data", () => {
        asyncStep("asked");
        return storeData(messageId, [DELIVERED]);
    });
    const fetched = rpc("/mail/made_up").then((data) =>
        getService("mail.store").insert(data),
    );
    await bringNews(messageId);
    await waitForSteps(["asked"]);
    await contains(LINE, {text: "Delivered 8:30 AM"});
    late.resolve();
    await fetched;
    await waitForSteps(["asked"]);
    await contains(LINE, {text: "Delivered 8:30 AM"});
});

test("news are asked for again when the server could not be reached", async () => {
    const {messageId} = await openContact([TEXT]);
    let reached = false;
    onRpc("sms.gateway.message", "get_chatter_data", () => {
        if (!reached) {
            reached = true;
            return new Response("", {status: 502});
        }
        return storeData(messageId, [DELIVERED]);
    });
    await bringNews(messageId);
    await contains(LINE, {text: "Queued"});
    await advanceTime(6000);
    await contains(LINE, {text: "Delivered 8:30 AM"});
});

test("an incoming text appears in the open chatter", async () => {
    const {pyEnv, partnerId} = await openContact([TEXT]);
    const messageId = pyEnv["mail.message"].create({
        author_id: partnerId,
        body: "Here I am",
        message_type: "sms",
        model: "res.partner",
        res_id: partnerId,
    });
    expect(".o-mail-Message").toHaveCount(1);
    pyEnv["bus.bus"]._sendone("broadcast", "sms_gateway_hub.update", {
        mail_message_ids: [messageId],
        threads: [{model: "res.partner", id: partnerId}],
    });
    await contains(".o-mail-Message", {text: "Here I am"});
});

test("the open chatter asks whose turn it is, where it may have changed", async () => {
    const {pyEnv, partnerId} = await openContact([TEXT]);
    getService("mail.store").insert({
        "mail.activity": [
            {
                id: 5,
                res_id: partnerId,
                res_model: "res.partner",
                sms_gateway_conversation_id: 7,
            },
        ],
        "mail.thread": [{activities: [5], id: partnerId, model: "res.partner"}],
    });
    onRpc("/mail/data", async (request) => {
        const {params} = await request.json();
        for (const [name, values] of params.fetch_params) {
            if (name === "mail.thread") {
                asyncStep(values.request_list.join());
            }
        }
    });
    const thread = {model: "res.partner", id: partnerId};
    for (const payload of [
        {conversation_ids: [8]},
        {mail_message_ids: [], threads: [{...thread, id: partnerId + 1}]},
        {conversation_ids: [7]},
    ]) {
        pyEnv["bus.bus"]._sendone("broadcast", "sms_gateway_hub.update", payload);
    }
    await waitForSteps(["activities"]);
    pyEnv["bus.bus"]._sendone("broadcast", "sms_gateway_hub.update", {
        mail_message_ids: [],
        threads: [thread],
    });
    await waitForSteps(["activities,messages"]);
});

test("news of another contact leave the open chatter alone", async () => {
    const {pyEnv, partnerId} = await openContact([TEXT]);
    onRpc("/mail/thread/messages", () => asyncStep("fetched"));
    pyEnv["bus.bus"]._sendone("broadcast", "sms_gateway_hub.update", {
        mail_message_ids: [],
        threads: [{model: "res.partner", id: partnerId + 1}],
    });
    pyEnv["bus.bus"]._sendone("broadcast", "sms_gateway_hub.update", {
        mail_message_ids: [],
        threads: [{model: "res.partner", id: partnerId}],
    });
    await waitForSteps(["fetched"]);
});
