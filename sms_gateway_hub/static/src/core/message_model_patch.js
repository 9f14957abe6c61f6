/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Message} from "@mail/core/common/message_model";
import {fields} from "@mail/core/common/record";
import {patch} from "@web/core/utils/patch";

/** @type {import("models").Message} */
const messagePatch = {
    setup() {
        super.setup(...arguments);
        this.sms_gateway_message_ids = fields.Many("sms.gateway.message", {
            inverse: "mail_message_id",
            sort: (sms1, sms2) => sms1.id - sms2.id,
        });
    },
};
patch(Message.prototype, messagePatch);
