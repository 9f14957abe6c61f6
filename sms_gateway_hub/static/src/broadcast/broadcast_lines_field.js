/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {useService} from "@web/core/utils/hooks";

/** Lines of label and figure; one that has a key opens what it counts. */
export class SmsBroadcastLinesField extends Component {
    static template = "sms_gateway_hub.BroadcastLinesField";
    static props = {...standardFieldProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
    }
    get lines() {
        return this.props.record.data[this.props.name] || [];
    }
    /**
     * @param {{key: string}} line
     */
    async open(line) {
        const {resModel, resId} = this.props.record;
        const action = await this.orm.call(resModel, "action_open_line", [
            [resId],
            line.key,
        ]);
        await this.action.doAction(action);
    }
}

registry.category("fields").add("sms_broadcast_lines", {
    component: SmsBroadcastLinesField,
    supportedTypes: ["json"],
});

/** Texts as some recipients will get them. */
export class SmsBroadcastSamplesField extends Component {
    static template = "sms_gateway_hub.BroadcastSamplesField";
    static props = {...standardFieldProps};

    get samples() {
        return this.props.record.data[this.props.name] || [];
    }
}

registry.category("fields").add("sms_broadcast_samples", {
    component: SmsBroadcastSamplesField,
    supportedTypes: ["json"],
});
