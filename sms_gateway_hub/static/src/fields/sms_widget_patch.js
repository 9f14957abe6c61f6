/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {
    ENCODING_GSM7,
    cleanText,
    countSegments,
    unsupportedGsm7,
} from "@sms_gateway_hub/core/segments";
import {SmsWidget} from "@sms/components/sms_widget/fields_sms_widget";
import {_t} from "@web/core/l10n/translation";
import {patch} from "@web/core/utils/patch";
import {useState} from "@odoo/owl";

/** Characters named before the list is cut. */
const MAX_NAMED_CHARS = 5;
const CORE_ENCODINGS = {gsm7: "GSM7", ucs2: "UNICODE"};
const EXTENSION_CHARS = "€ ^ { } [ ] ~ \\ |";

/**
 * Return how a character is shown in a sentence.
 *
 * @param {string} char one character
 * @returns {string} quoted, or as U+XXXX if there would be nothing to see
 */
function nameOf(char) {
    if (/[\p{C}\p{M}\p{Z}]/u.test(char)) {
        const code = char.codePointAt(0).toString(16).toUpperCase();
        return `U+${code.padStart(4, "0")}`;
    }
    return `“${char}”`;
}

/**
 * Return the characters that force Unicode, as one string for the user.
 *
 * @param {string} text
 * @returns {string}
 */
export function nameUnsupportedChars(text) {
    const chars = unsupportedGsm7(text);
    // Joiners and variation selectors come with an emoji and go with it.
    const visible = chars.filter((char) => !/^[\u200d\ufe0f]$/.test(char));
    const named = (visible.length ? visible : chars).map(nameOf);
    const shown = named.slice(0, MAX_NAMED_CHARS).join(" ");
    return named.length > MAX_NAMED_CHARS ? `${shown} …` : shown;
}

/**
 * Count what the hub will send, not what core's approximation gives.
 *
 * Other addons hook `_getValueForSmsCounts` (text replaced before sending), `nbrChar`
 * (text appended) and `nbrCharExplanation`. All of them keep their say, whether they
 * are applied before this patch or after it.
 */
patch(SmsWidget.prototype, {
    setup() {
        super.setup(...arguments);
        this.smsGatewayTyping = useState({text: null});
    },
    /**
     * The record learns of the text when the field is left: count what is typed.
     *
     * @param {InputEvent} ev
     */
    onSmsGatewayInput(ev) {
        this.smsGatewayTyping.text = ev.target.value;
    },
    /**
     * @override
     */
    async onBlur() {
        await super.onBlur(...arguments);
        this.smsGatewayTyping.text = null;
    },
    /**
     * @returns {string} the text as it is in the field
     */
    get smsGatewayValue() {
        return (
            this.smsGatewayTyping.text ??
            (this.props.record.data[this.props.name] || "")
        );
    },
    /**
     * @returns {string} the text to send, without what `nbrChar` adds to it
     */
    get smsGatewayContent() {
        return cleanText(this._getValueForSmsCounts(this.smsGatewayValue));
    },
    /**
     * @returns {string} the text to count, with what other addons append
     */
    get smsGatewayText() {
        const content = this.smsGatewayContent;
        // Core counts what the record has, not what is being typed.
        const value = this.props.record.data[this.props.name] || "";
        const known = countSegments(cleanText(this._getValueForSmsCounts(value)));
        const extra = Math.max(0, this.nbrChar - known.units);
        // What mass_mailing_sms appends is known to the letter; of any other
        // addition only the length is.
        const appended = this.linkReplacementsPlaceholders?.unsubscribe || "";
        return content + (appended.length === extra ? appended : "x".repeat(extra));
    },
    /**
     * @returns {import("@sms_gateway_hub/core/segments").SegmentCount}
     */
    get smsGatewayCount() {
        return countSegments(this.smsGatewayText);
    },
    /**
     * @returns {{text: string, hint: string}} the line under the text, its tooltip
     */
    get smsGatewayCounter() {
        const text = this.smsGatewayText;
        const count = countSegments(text);
        const values = {
            used: count.units,
            // A border may cost a unit, so this is not always a multiple.
            room: count.units + count.unitsLeft,
            explanation: this.nbrCharExplanation,
            segments: count.segments,
            chars: nameUnsupportedChars(text),
        };
        const hints = [_t("%s characters left in the current SMS.", count.unitsLeft)];
        if (count.encoding === ENCODING_GSM7) {
            hints.push(_t("Each of %s counts as two.", EXTENSION_CHARS));
        } else {
            hints.push(
                _t(
                    "An SMS has room for 70 characters instead of 160 because of %s.",
                    values.chars,
                ),
            );
        }
        if (text.includes("{{")) {
            hints.push(
                _t(
                    "Placeholders count as written here; each text is counted again with its own values when it is sent.",
                ),
            );
        }
        return {
            text:
                count.encoding === ENCODING_GSM7
                    ? _t(
                          "%(used)s / %(room)s characters%(explanation)s · %(segments)s SMS (GSM-7)",
                          values,
                      )
                    : _t(
                          "%(used)s / %(room)s characters%(explanation)s · %(segments)s SMS (Unicode: %(chars)s)",
                          values,
                      ),
            hint: hints.join(" "),
        };
    },

    // ---------------------------------------------------------------------
    // Core's own names, for whoever else reads them
    // ---------------------------------------------------------------------

    /**
     * @override
     */
    get encoding() {
        return CORE_ENCODINGS[this.smsGatewayCount.encoding];
    },
    /**
     * Units instead of characters, plus whatever addons beneath this patch added.
     *
     * @override
     */
    get nbrChar() {
        const value = this.props.record.data[this.props.name] || "";
        const content = this._getValueForSmsCounts(value);
        const coreChars = content.length + (content.match(/\n/g) || []).length;
        return super.nbrChar - coreChars + countSegments(cleanText(content)).units;
    },
    /**
     * @override
     */
    get nbrSMS() {
        return this.smsGatewayCount.segments;
    },
    /**
     * A number of units alone does not tell what is lost at the borders: this is the
     * least number of SMS. `nbrSMS` is exact.
     *
     * @override
     */
    _countSMS(nbrChar, encoding) {
        const char = encoding === CORE_ENCODINGS.ucs2 ? "ş" : "a";
        return countSegments(char.repeat(nbrChar)).segments;
    },
    /**
     * @override
     */
    _extractEncoding(content) {
        return CORE_ENCODINGS[countSegments(String(content)).encoding];
    },
});
