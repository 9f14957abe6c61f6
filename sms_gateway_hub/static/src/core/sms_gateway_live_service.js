/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {ConnectionLostError, rpcBus} from "@web/core/network/rpc";
import {Deferred, Mutex} from "@web/core/utils/concurrency";
import {_t} from "@web/core/l10n/translation";
import {browser} from "@web/core/browser/browser";
import {registry} from "@web/core/registry";

export const NOTIFICATION_TYPE = "sms_gateway_hub.update";
/** A text came in for this user. */
export const INBOUND_TYPE = "sms_gateway_hub.inbound";
/** News within this time are asked for together. */
const GATHER_MS = 200;
/** The server looks at no more ids than this at once. */
const CHUNK_SIZE = 500;
/** Pause before another try while the server cannot be reached. */
const RETRY_MS = 5000;
/** A text that came in is shown for so long. */
const INBOUND_SHOWN_MS = 20000;

/**
 * Keeps the texts that the client has loaded up to date, and tells of new ones.
 *
 * The bus carries ids only. What became of the texts is asked for, so that everybody
 * gets what their own rights allow.
 */
export class SmsGatewayLive {
    constructor(env, services) {
        this.action = services.action;
        this.bus = services.bus_service;
        this.notification = services.notification;
        this.orm = services.orm;
        this.store = services["mail.store"];
        /** @type {Set<number>} ids of mail.message with news */
        this.newsIds = new Set();
        this.timeout = null;
        // One look at a time: an answer that is late must not undo a newer one.
        this.mutex = new Mutex();
        /** @type {Map<number, Deferred>} what others fetch of the chatter just now */
        this.fetches = new Map();
        /** @type {Map<number, number>} how many times each conversation is on screen */
        this.openConversations = new Map();
        /** @type {Map<number, Function>} what takes the last notification away */
        this.shownInbound = new Map();
        /** @type {Map<number, {body: string, uuid: string}>} answers not yet sent */
        this.drafts = new Map();
        /** Whoever came by "Answer" can write at once. */
        this.answerId = null;
    }

    setup() {
        this.bus.subscribe(NOTIFICATION_TYPE, (payload) => this.onUpdate(payload));
        this.bus.subscribe(INBOUND_TYPE, (payload) => this.onInbound(payload));
        rpcBus.addEventListener("RPC:REQUEST", ({detail: {data, url}}) => {
            if (url.startsWith("/mail/")) {
                this.fetches.set(data.id, new Deferred());
            }
        });
        rpcBus.addEventListener("RPC:RESPONSE", ({detail: {data}}) => {
            this.fetches.get(data.id)?.resolve();
            this.fetches.delete(data.id);
        });
    }

    /**
     * @param {{mail_message_ids: number[]}} payload
     */
    onUpdate({mail_message_ids: ids = []}) {
        this.gather(ids, GATHER_MS);
    }

    /**
     * @param {number[]} ids of mail.message
     * @param {number} wait in milliseconds, unless a look is planned already
     */
    gather(ids, wait) {
        for (const id of ids) {
            this.newsIds.add(id);
        }
        if (ids.length && !this.timeout) {
            this.timeout = browser.setTimeout(() => this.refresh(), wait);
        }
    }

    async refresh() {
        this.timeout = null;
        const ids = [...this.newsIds];
        this.newsIds.clear();
        // What is being fetched may be older than the news, and come after them.
        const fetches = [...this.fetches.values()];
        await this.load(ids);
        if (fetches.length) {
            await Promise.all(fetches);
            await this.load(ids);
        }
    }

    /**
     * Ask what became of the texts that the client has.
     *
     * @param {number[]} ids of mail.message
     */
    load(ids) {
        return this.mutex.exec(async () => {
            const shown = ids.filter((id) => this.store["mail.message"].get(id));
            for (let start = 0; start < shown.length; start += CHUNK_SIZE) {
                const chunk = shown.slice(start, start + CHUNK_SIZE);
                try {
                    this.store.insert(
                        await this.orm.silent.call(
                            "sms.gateway.message",
                            "get_chatter_data",
                            [chunk],
                        ),
                    );
                } catch (error) {
                    if (!(error instanceof ConnectionLostError)) {
                        throw error;
                    }
                    this.gather(chunk, RETRY_MS);
                }
            }
        });
    }

    // ---------------------------------------------------------------------
    // Texts that come in
    // ---------------------------------------------------------------------

    /**
     * Note that a conversation is on screen: nobody needs to be told of its texts.
     *
     * @param {number} id of sms.conversation
     * @returns {Function} to call when it is no longer
     */
    showConversation(id) {
        this.openConversations.set(id, (this.openConversations.get(id) || 0) + 1);
        this.shownInbound.get(id)?.();
        return () => {
            const count = this.openConversations.get(id) - 1;
            if (count) {
                this.openConversations.set(id, count);
            } else {
                this.openConversations.delete(id);
            }
        };
    }

    /**
     * @param {{conversation_id: number, title: string, body: string}} payload
     */
    onInbound({conversation_id: id, title, body}) {
        if (this.openConversations.has(id)) {
            return;
        }
        // One notification for each conversation: the last text counts.
        this.shownInbound.get(id)?.();
        const close = this.notification.add(body || "", {
            title,
            type: "info",
            className: "o_sms_inbound",
            autocloseDelay: INBOUND_SHOWN_MS,
            buttons: [
                {
                    name: _t("Answer"),
                    primary: true,
                    onClick: () => {
                        close();
                        this.openConversation(id);
                    },
                },
            ],
            onClose: () => {
                if (this.shownInbound.get(id) === close) {
                    this.shownInbound.delete(id);
                }
            },
        });
        this.shownInbound.set(id, close);
    }

    /**
     * @param {number} id of sms.conversation
     */
    openConversation(id) {
        this.answerId = id;
        return this.action.doAction({
            type: "ir.actions.act_window",
            name: _t("Conversation"),
            res_model: "sms.conversation",
            res_id: id,
            views: [[false, "form"]],
        });
    }
}

export const smsGatewayLiveService = {
    dependencies: ["action", "bus_service", "mail.store", "notification", "orm"],
    start(env, services) {
        const live = new SmsGatewayLive(env, services);
        live.setup();
        return live;
    },
};
registry.category("services").add("sms_gateway_hub.live", smsGatewayLiveService);
