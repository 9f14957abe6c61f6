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

/** An incoming text appears in the open chatter by itself. */
patch(Chatter.prototype, {
    setup() {
        super.setup(...arguments);
        const bus = useService("bus_service");
        const onUpdate = ({threads = []}) => {
            const shown = this.state.thread;
            if (
                shown?.id &&
                threads.some(({model, id}) => model === shown.model && id === shown.id)
            ) {
                this.smsGatewayFetch(shown);
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
     */
    smsGatewayFetch(thread) {
        browser.clearTimeout(this.smsGatewayTimeout);
        if (!thread.eq(this.state.thread)) {
            return;
        }
        if (thread.status === "loading") {
            this.smsGatewayTimeout = browser.setTimeout(
                () => this.smsGatewayFetch(thread),
                RETRY_MS,
            );
            return;
        }
        thread.fetchNewMessages();
    },
});
