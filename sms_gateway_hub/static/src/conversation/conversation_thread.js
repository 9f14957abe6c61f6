/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {
    Component,
    onMounted,
    onWillStart,
    onWillUnmount,
    onWillUpdateProps,
    useEffect,
    useRef,
    useState,
} from "@odoo/owl";
import {ENCODING_GSM7, cleanText, countSegments} from "@sms_gateway_hub/core/segments";
import {NOTIFICATION_TYPE} from "@sms_gateway_hub/core/sms_gateway_live_service";
import {STATE_ICONS} from "@sms_gateway_hub/core/sms_gateway_message_model";
import {_t} from "@web/core/l10n/translation";
import {browser} from "@web/core/browser/browser";
import {deserializeDateTime} from "@web/core/l10n/dates";
import {nameUnsupportedChars} from "@sms_gateway_hub/fields/sms_widget_patch";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {user} from "@web/core/user";
import {useService} from "@web/core/utils/hooks";

const {DateTime} = luxon;

const PAGE_SIZE = 40;
/** What the server gives at once, at most. */
const MAX_SIZE = 200;
const GATHER_MS = 200;
/** Texts without chatter message have no news on the bus: ask for them. */
const ASK_MS = 4000;
const ASK_MAX = 15;
const UNDERWAY_STATES = ["queued", "sending"];
/** So near to the end somebody reads the newest texts. */
const NEAR_END_PX = 80;

/**
 * @returns {string} 32 hex digits; also where the page has no secure context
 */
function makeUuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The whole thread of a conversation, and a box to answer in place. */
export class SmsConversationThread extends Component {
    static template = "sms_gateway_hub.ConversationThread";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.live = useService("sms_gateway_hub.live");
        this.bus = useService("bus_service");
        this.scroller = useRef("scroller");
        this.input = useRef("input");
        this.state = useState({
            messages: [],
            hasMore: false,
            loadingOlder: false,
            hasNews: false,
            body: "",
            error: "",
            loadError: "",
            sending: false,
        });
        this.toEnd = true;
        this.asked = 0;
        const onUpdate = (payload) => this.onUpdate(payload);
        onWillStart(() => this.open(this.props.record.resId));
        onWillUpdateProps(async ({record}) => {
            if (record.resId !== this.resId) {
                this.close();
                await this.open(record.resId);
            }
        });
        onMounted(() => {
            this.bus.subscribe(NOTIFICATION_TYPE, onUpdate);
            if (this.live.answerId === this.resId) {
                this.live.answerId = null;
                this.input.el?.focus();
            }
        });
        onWillUnmount(() => {
            this.bus.unsubscribe(NOTIFICATION_TYPE, onUpdate);
            this.close();
        });
        useEffect(
            () => this.keepPlace(),
            () => [this.state.messages, this.state.error],
        );
    }

    // ---------------------------------------------------------------------
    // Loading
    // ---------------------------------------------------------------------

    /**
     * @param {number|false} resId of sms.conversation
     */
    async open(resId) {
        this.resId = resId;
        this.toEnd = true;
        const draft = this.live.drafts.get(resId);
        Object.assign(this.state, {
            messages: [],
            hasMore: false,
            hasNews: false,
            body: draft?.body || "",
            error: "",
            loadError: "",
            sending: false,
        });
        if (resId) {
            this.hide = this.live.showConversation(resId);
            await this.load();
        }
    }
    close() {
        this.hide?.();
        this.hide = null;
        browser.clearTimeout(this.timeout);
        browser.clearTimeout(this.askTimeout);
        this.timeout = null;
        this.asked = 0;
    }
    async load() {
        const {resId} = this;
        const limit = Math.min(
            Math.max(this.state.messages.length, PAGE_SIZE),
            MAX_SIZE,
        );
        try {
            const thread = await this.orm.silent.call(
                "sms.conversation",
                "get_thread",
                [resId, false, limit],
            );
            if (resId === this.resId) {
                this.insert(thread);
                this.state.loadError = "";
            }
        } catch (error) {
            this.state.loadError = this.explain(error);
        }
    }
    /**
     * Take over the newest texts; older ones that were loaded stay.
     *
     * @param {{messages: Object[], has_more: boolean}} thread
     */
    insert({messages, has_more: hasMore}) {
        const first = messages[0]?.id;
        const last = this.state.messages.at(-1)?.id;
        const older =
            hasMore && last >= first
                ? this.state.messages.filter(({id}) => id < first)
                : [];
        const isNew = last && messages.at(-1)?.id > last;
        if (isNew && !this.toEnd) {
            if (this.isNearEnd()) {
                this.toEnd = true;
            } else {
                this.state.hasNews = true;
            }
        }
        if (!older.length) {
            this.state.hasMore = hasMore;
        }
        this.state.messages = [...older, ...messages];
        this.askLater();
    }
    async loadOlder() {
        const {resId} = this;
        if (this.state.loadingOlder || !this.state.messages.length) {
            return;
        }
        this.state.loadingOlder = true;
        try {
            const {messages, has_more: hasMore} = await this.orm.call(
                "sms.conversation",
                "get_thread",
                [resId, this.state.messages[0].id, PAGE_SIZE],
            );
            if (resId === this.resId) {
                const scroller = this.scroller.el;
                this.fromEnd = scroller.scrollHeight - scroller.scrollTop;
                this.state.hasMore = hasMore;
                this.state.messages = [...messages, ...this.state.messages];
            }
        } finally {
            this.state.loadingOlder = false;
        }
    }
    /**
     * @param {{conversation_ids: number[], mail_message_ids: number[]}} payload
     */
    onUpdate({conversation_ids: ids = [], mail_message_ids: mailIds = []}) {
        const concerns = ids.includes(this.resId);
        const known =
            concerns ||
            this.state.messages.some((text) => mailIds.includes(text.mail_message_id));
        this.reloadRecord ||= concerns;
        if (known && !this.timeout) {
            this.timeout = browser.setTimeout(() => this.refresh(), GATHER_MS);
        }
    }
    async refresh() {
        this.timeout = null;
        const {reloadRecord} = this;
        this.reloadRecord = false;
        await this.load();
        if (reloadRecord) {
            await this.refreshRecord();
        }
    }
    /** Let the form around show what became of the conversation. */
    async refreshRecord() {
        const {record} = this.props;
        if (record.resId === this.resId && !(await record.isDirty())) {
            await record.load();
            record.model.notify();
        }
    }
    askLater() {
        const unheard = this.state.messages.some(
            (text) => UNDERWAY_STATES.includes(text.state) && !text.mail_message_id,
        );
        browser.clearTimeout(this.askTimeout);
        if (unheard && this.asked < ASK_MAX) {
            this.askTimeout = browser.setTimeout(() => {
                this.asked++;
                if (document.hidden) {
                    this.askLater();
                } else {
                    this.load();
                }
            }, ASK_MS);
        }
    }

    // ---------------------------------------------------------------------
    // Scrolling
    // ---------------------------------------------------------------------

    isNearEnd() {
        const scroller = this.scroller.el;
        return (
            !scroller ||
            scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight <
                NEAR_END_PX
        );
    }
    keepPlace() {
        const scroller = this.scroller.el;
        if (this.fromEnd) {
            scroller.scrollTop = scroller.scrollHeight - this.fromEnd;
            this.fromEnd = 0;
        } else if (this.toEnd) {
            scroller.scrollTop = scroller.scrollHeight;
            this.toEnd = false;
        }
    }
    onScroll() {
        if (this.state.hasNews && this.isNearEnd()) {
            this.state.hasNews = false;
        }
    }
    showNews() {
        this.state.hasNews = false;
        this.scroller.el.scrollTop = this.scroller.el.scrollHeight;
    }

    // ---------------------------------------------------------------------
    // What is shown
    // ---------------------------------------------------------------------

    /**
     * @returns {{key: string, label: string, texts: Object[]}[]} texts day by day
     */
    get days() {
        const days = [];
        for (const text of this.state.messages) {
            const date = deserializeDateTime(text.date);
            const key = date.toISODate();
            if (days.at(-1)?.key !== key) {
                days.push({key, label: this.dayLabel(date), texts: []});
            }
            days.at(-1).texts.push({
                ...text,
                incoming: text.direction === "incoming",
                time: date.toLocaleString(DateTime.TIME_SIMPLE, {locale: user.lang}),
                icon: STATE_ICONS[text.state] || "fa-circle-o",
            });
        }
        return days;
    }
    /**
     * @param {import("luxon").DateTime} date
     * @returns {string}
     */
    dayLabel(date) {
        const now = DateTime.now();
        if (date.hasSame(now, "day")) {
            return _t("Today");
        }
        if (date.hasSame(now.minus({days: 1}), "day")) {
            return _t("Yesterday");
        }
        const format = {weekday: "short", day: "numeric", month: "long"};
        if (!date.hasSame(now, "year")) {
            format.year = "numeric";
        }
        return date.toLocaleString(format, {locale: user.lang});
    }
    get canAnswer() {
        return Boolean(this.props.record.data.can_answer);
    }
    get reason() {
        return this.props.record.data.no_answer_reason || "";
    }
    get cleanBody() {
        return cleanText(this.state.body);
    }
    get isEmpty() {
        return !this.cleanBody.trim();
    }
    get counter() {
        const {encoding, segments, units, unitsLeft} = countSegments(this.cleanBody);
        return {
            text: _t("%(used)s / %(room)s characters · %(segments)s SMS", {
                used: units,
                room: units + unitsLeft,
                segments,
            }),
            hint:
                encoding === ENCODING_GSM7
                    ? ""
                    : _t(
                          "An SMS has room for 70 characters instead of 160 because of %s.",
                          nameUnsupportedChars(this.cleanBody),
                      ),
        };
    }

    // ---------------------------------------------------------------------
    // Answering
    // ---------------------------------------------------------------------

    onInput() {
        this.state.error = "";
        this.keepDraft("");
    }
    /**
     * @param {string} uuid of the text that may have left, or nothing
     */
    keepDraft(uuid) {
        if (this.state.body) {
            this.live.drafts.set(this.resId, {body: this.state.body, uuid});
        } else {
            this.live.drafts.delete(this.resId);
        }
    }
    /**
     * @param {KeyboardEvent} ev
     */
    onKeydown(ev) {
        if (ev.key === "Enter" && (ev.ctrlKey || ev.metaKey)) {
            ev.preventDefault();
            ev.stopPropagation();
            this.send();
        }
    }
    async send() {
        if (this.state.sending || this.isEmpty || !this.canAnswer) {
            return;
        }
        const {resId} = this;
        const {body} = this.state;
        // The same text keeps its id until it is known to have left: it leaves once.
        const uuid = this.live.drafts.get(resId)?.uuid || makeUuid();
        this.keepDraft(uuid);
        this.state.sending = true;
        this.state.error = "";
        try {
            const thread = await this.orm.silent.call(
                "sms.conversation",
                "action_answer",
                [resId, body, uuid],
            );
            this.live.drafts.delete(resId);
            if (resId === this.resId) {
                this.state.body = "";
                this.toEnd = true;
                this.asked = 0;
                this.insert(thread);
                await this.refreshRecord();
            }
        } catch (error) {
            if (resId === this.resId) {
                // The words take room: the newest texts stay in sight.
                this.toEnd = this.isNearEnd();
                this.state.error = this.explain(error);
            }
        } finally {
            if (resId === this.resId) {
                this.state.sending = false;
                this.input.el?.focus();
            }
        }
    }
    /**
     * @param {Error} error
     * @returns {string} what the user is told
     */
    explain(error) {
        return (
            error.data?.message ||
            _t("The server could not be reached. Your text is kept: try again.")
        );
    }
    /**
     * @param {Object} text
     */
    openText(text) {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "sms.gateway.message",
            res_id: text.id,
            views: [[false, "form"]],
        });
    }
}

registry.category("view_widgets").add("sms_conversation_thread", {
    component: SmsConversationThread,
    fieldDependencies: [
        {name: "can_answer", type: "boolean"},
        {name: "no_answer_reason", type: "char"},
    ],
});
