/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {browser} from "@web/core/browser/browser";
import {registry} from "@web/core/registry";

export const NOTIFICATION_TYPE = "sms_gateway_hub.update";
/** News within this time are asked for together. */
const GATHER_MS = 200;
/** The server looks at no more ids than this at once. */
const CHUNK_SIZE = 500;

/**
 * Keeps the texts that the client has loaded up to date.
 *
 * The bus carries ids only. What became of the texts is asked for, so that everybody
 * gets what their own rights allow.
 */
export class SmsGatewayLive {
    constructor(env, services) {
        this.bus = services.bus_service;
        this.orm = services.orm;
        this.store = services["mail.store"];
        /** @type {Set<number>} ids of mail.message with news */
        this.pendingIds = new Set();
        this.timeout = null;
    }

    setup() {
        this.bus.subscribe(NOTIFICATION_TYPE, (payload) => this.onUpdate(payload));
    }

    /**
     * @param {{mail_message_ids: number[]}} payload
     */
    onUpdate({mail_message_ids: ids = []}) {
        for (const id of ids) {
            if (this.store["mail.message"].get(id)) {
                this.pendingIds.add(id);
            }
        }
        if (this.pendingIds.size && !this.timeout) {
            this.timeout = browser.setTimeout(() => this.refresh(), GATHER_MS);
        }
    }

    async refresh() {
        this.timeout = null;
        const ids = [...this.pendingIds];
        this.pendingIds.clear();
        for (let start = 0; start < ids.length; start += CHUNK_SIZE) {
            const data = await this.orm.silent.call(
                "sms.gateway.message",
                "get_chatter_data",
                [ids.slice(start, start + CHUNK_SIZE)],
            );
            this.store.insert(data);
        }
    }
}

export const smsGatewayLiveService = {
    dependencies: ["bus_service", "mail.store", "orm"],
    start(env, services) {
        const live = new SmsGatewayLive(env, services);
        live.setup();
        return live;
    },
};
registry.category("services").add("sms_gateway_hub.live", smsGatewayLiveService);
