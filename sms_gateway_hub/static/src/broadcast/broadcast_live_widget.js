/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Component, onMounted, onWillUnmount, xml} from "@odoo/owl";
import {browser} from "@web/core/browser/browser";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

const RELOAD_MS = 3000;
/** What has ended still learns what became of its texts, but slowly. */
const ENDED_RELOAD_MS = 15000;
const STILL_STATES = ["draft", "checked"];
const ENDED_STATES = ["done", "canceled"];

/** Loads the figures of a broadcast again while they move. */
export class SmsBroadcastLive extends Component {
    static template = xml`<span class="d-none"/>`;
    static props = {...standardWidgetProps};

    setup() {
        this.nextMs = 0;
        this.loading = false;
        onMounted(() => {
            this.interval = browser.setInterval(() => this.reload(), RELOAD_MS);
        });
        onWillUnmount(() => browser.clearInterval(this.interval));
    }
    async reload() {
        const {record} = this.props;
        const {state} = record.data;
        if (
            this.loading ||
            !record.resId ||
            document.hidden ||
            STILL_STATES.includes(state) ||
            Date.now() < this.nextMs ||
            (await record.isDirty())
        ) {
            return;
        }
        this.loading = true;
        const startMs = Date.now();
        try {
            await record.load();
            record.model.notify();
        } finally {
            this.loading = false;
            // The figures of a very big one take time: let them be asked for less.
            const tookMs = Date.now() - startMs;
            const restMs = ENDED_STATES.includes(state) ? ENDED_RELOAD_MS : 0;
            this.nextMs = Date.now() + Math.max(restMs, 10 * tookMs);
        }
    }
}

registry.category("view_widgets").add("sms_broadcast_live", {
    component: SmsBroadcastLive,
});
