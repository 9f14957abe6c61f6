/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";

/** An arrow: to the contact, or from the contact. */
export class SmsGatewayDirectionField extends Component {
    static template = "sms_gateway_hub.DirectionField";
    static props = {...standardFieldProps};

    get value() {
        return this.props.record.data[this.props.name];
    }
    get label() {
        const {selection} = this.props.record.fields[this.props.name];
        return Object.fromEntries(selection)[this.value] || "";
    }
    get icon() {
        return this.value === "incoming"
            ? "fa-long-arrow-left text-info"
            : "fa-long-arrow-right text-muted";
    }
}

registry.category("fields").add("sms_gateway_direction", {
    component: SmsGatewayDirectionField,
    supportedTypes: ["selection"],
    label: false,
});
