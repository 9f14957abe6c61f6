/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Chatter} from "@mail/chatter/web_portal/chatter";
import {NOTIFICATION_TYPE} from "@sms_gateway_hub/core/sms_gateway_live_service";
import {browser} from "@web/core/browser/browser";
import {onWillUnmount} from "@odoo/owl";
import {patch} from "@web/core/utils/patch";
import {useService} from "@web/core/utils/hooks";

/** Pause before another try while the chatter is loading anyway. */
const RETRY_MS = 500;

/** An incoming text, and whose turn it is, appear in the open chatter by themselves. */
patch(Chatter.prototype, {
    setup() {
        super.setup(...arguments);
        const bus = useService("bus_service");
        const onUpdate = ({threads = [], conversation_ids: ids = []}) => {
            const shown = this.state.thread;
            if (!shown?.id) {
                return;
            }
            if (
                threads.some(({model, id}) => model === shown.model && id === shown.id)
            ) {
                this.smsGatewayFetch(shown, ["activities", "messages"]);
            } else if (
                shown.activities?.some(({sms_gateway_conversation_id: id}) =>
                    ids.includes(id),
                )
            ) {
                // Answered, closed or handed over somewhere else.
                this.smsGatewayFetch(shown, ["activities"]);
            }
        };
        bus.subscribe(NOTIFICATION_TYPE, onUpdate);
        onWillUnmount(() => {
            bus.unsubscribe(NOTIFICATION_TYPE, onUpdate);
            browser.clearTimeout(this.smsGatewayTimeout);
        });
    },
    /**
     * @param {import("models").Thread} thread
     * @param {string[]} requestList
     */
    smsGatewayFetch(thread, requestList) {
        browser.clearTimeout(this.smsGatewayTimeout);
        if (!thread.eq(this.state.thread)) {
            return;
        }
        if (thread.status === "loading") {
            this.smsGatewayTimeout = browser.setTimeout(
                () => this.smsGatewayFetch(thread, requestList),
                RETRY_MS,
            );
            return;
        }
        this.load(thread, requestList);
    },
});
