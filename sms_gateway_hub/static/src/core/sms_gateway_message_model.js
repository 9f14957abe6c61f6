/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Record, fields} from "@mail/core/common/record";
import {_t} from "@web/core/l10n/translation";
import {user} from "@web/core/user";

const {DateTime} = luxon;

export const STATE_ICONS = {
    queued: "fa-hourglass-half text-muted",
    sending: "fa-circle-o-notch text-muted",
    sent: "fa-check text-info",
    delivered: "fa-check-circle text-success",
    undelivered: "fa-times-circle text-danger",
    expired: "fa-clock-o text-danger",
    failed: "fa-exclamation-circle text-danger",
    unconfirmed: "fa-question-circle text-warning",
    canceled: "fa-ban text-muted",
    received: "fa-check-circle text-success",
};
const FAILED_STATES = ["undelivered", "expired", "failed", "canceled"];

/**
 * Return a moment as people write it: the time alone if it is today.
 *
 * @param {import("luxon").DateTime} moment
 * @returns {string}
 */
export function formatMoment(moment) {
    const locale = {locale: user.lang};
    const now = DateTime.now();
    if (moment.hasSame(now, "day")) {
        return moment.toLocaleString(DateTime.TIME_SIMPLE, locale);
    }
    const format = {...DateTime.DATETIME_MED};
    if (moment.hasSame(now, "year")) {
        delete format.year;
    }
    return moment.toLocaleString(format, locale);
}

/** One text, out or in, as the chatter shows it under its message. */
export class SmsGatewayMessage extends Record {
    static _name = "sms.gateway.message";
    static id = "id";

    /** @type {number} */
    id;
    mail_message_id = fields.One("mail.message", {
        inverse: "sms_gateway_message_ids",
        onDelete() {
            this.delete();
        },
    });
    /** @type {string|false} */
    cost_text;
    delivered_at = fields.Datetime();
    /** @type {"outgoing"|"incoming"} */
    direction;
    /** @type {boolean} whether the contact has several numbers */
    show_number;
    /** @type {string|false} */
    external_ref;
    /** @type {string|false} */
    failure_text;
    /** @type {string|false} */
    gateway_name;
    /** @type {string|false} */
    number;
    scheduled_at = fields.Datetime();
    /** @type {number} */
    segments;
    /** @type {string} */
    state;
    state_at = fields.Datetime();
    /** @type {string} */
    state_label;

    get isIncoming() {
        return this.direction === "incoming";
    }
    /**
     * The state with its time, e.g. “Delivered 10:32”.
     *
     * @returns {string}
     */
    get stateText() {
        if (this.state === "queued" && this.scheduled_at > DateTime.now()) {
            return _t("Waits until %s", formatMoment(this.scheduled_at));
        }
        const at = this.delivered_at || this.state_at;
        if (!at || ["queued", "sending"].includes(this.state)) {
            return this.state_label;
        }
        return _t("%(state)s %(time)s", {
            state: this.state_label,
            time: formatMoment(at),
        });
    }
    get stateIcon() {
        return STATE_ICONS[this.state] || "fa-circle-o";
    }
    get stateHint() {
        switch (this.state) {
            case "queued":
                return _t("The text waits to be sent.");
            case "sent":
                return (
                    this.failure_text ||
                    _t("The gateway took the text. It did not report back yet.")
                );
            case "delivered":
                return _t("The gateway reports that the text arrived.");
            case "unconfirmed":
                return _t(
                    "Nobody knows yet whether this text went out. It is not sent again by itself, so that nobody gets it twice.",
                );
        }
        return this.stateText;
    }
    /** Why it did not arrive, or why it waits. */
    get problem() {
        return FAILED_STATES.includes(this.state) ||
            ["queued", "received"].includes(this.state)
            ? this.failure_text
            : "";
    }
    get segmentsText() {
        return this.segments > 1 ? _t("%s parts", this.segments) : "";
    }
}
SmsGatewayMessage.register();
