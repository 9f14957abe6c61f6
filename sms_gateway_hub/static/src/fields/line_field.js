/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";

/** A text on one line, cut where the room ends; the tooltip has all of it. */
export class SmsGatewayLineField extends Component {
    static template = "sms_gateway_hub.LineField";
    static props = {...standardFieldProps};

    get value() {
        return this.props.record.data[this.props.name] || "";
    }
}

registry.category("fields").add("sms_gateway_line", {
    component: SmsGatewayLineField,
    supportedTypes: ["char", "text"],
});
