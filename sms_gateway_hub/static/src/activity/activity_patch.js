/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {Activity} from "@mail/core/web/activity";
import {patch} from "@web/core/utils/patch";

/** Activities of the kind "Send SMS" show their text, and can be sent at once. */
patch(Activity.prototype, {
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
