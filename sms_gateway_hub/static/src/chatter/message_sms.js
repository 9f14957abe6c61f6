/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Component, useState} from "@odoo/owl";
import {Message} from "@mail/core/common/message";
import {useService} from "@web/core/utils/hooks";

/** Lines shown before the others are folded away. */
const MAX_LINES = 4;

/** What became of the texts of one chatter message: a line for each. */
export class MessageSms extends Component {
    static template = "sms_gateway_hub.MessageSms";
    static props = ["message"];

    setup() {
        this.action = useService("action");
        this.state = useState({all: false});
    }

    get texts() {
        return this.props.message.sms_gateway_message_ids;
    }
    get shownTexts() {
        return this.state.all || this.texts.length <= MAX_LINES
            ? this.texts
            : this.texts.slice(0, MAX_LINES);
    }
    get hiddenCount() {
        return this.texts.length - this.shownTexts.length;
    }

    open(sms) {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "sms.gateway.message",
            res_id: sms.id,
            views: [[false, "form"]],
        });
    }
}
Object.assign(Message.components, {MessageSms});
