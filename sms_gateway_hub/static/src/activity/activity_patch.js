/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Activity} from "@mail/core/web/activity";
import {patch} from "@web/core/utils/patch";

/**
 * Activities of the kind "Send SMS" show their text, and can be sent at once; those of
 * the kind "Answer SMS" lead to where the answer is written.
 */
patch(Activity.prototype, {
    onClickSmsGatewayAnswer() {
        return this.env.services["sms_gateway_hub.live"].openConversation(
            this.props.activity.sms_gateway_conversation_id,
        );
    },
    async onClickSmsGatewaySend() {
        const thread = this.thread;
        await this.env.services.orm.call(
            "mail.activity",
            "action_sms_gateway_send_now",
            [[this.props.activity.id]],
        );
        this.props.onActivityChanged(thread);
        await thread.fetchNewMessages();
    },
});
