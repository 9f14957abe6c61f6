/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Component} from "@odoo/owl";
import {formatDateTime} from "@web/core/l10n/dates";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {user} from "@web/core/user";

/** How long ago something was; the tooltip has the time. */
export class SmsConversationSinceField extends Component {
    static template = "sms_gateway_hub.ConversationSinceField";
    static props = {...standardFieldProps};

    get value() {
        return this.props.record.data[this.props.name];
    }
    get text() {
        return this.value
            ? this.value.setLocale(user.lang).toRelative({style: "short"})
            : "";
    }
    get title() {
        return this.value ? formatDateTime(this.value, {showSeconds: false}) : "";
    }
}

registry.category("fields").add("sms_conversation_since", {
    component: SmsConversationSinceField,
    supportedTypes: ["datetime"],
});
