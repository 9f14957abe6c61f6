/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {NOTIFICATION_TYPE} from "@sms_gateway_hub/core/sms_gateway_live_service";
import {SearchModel} from "@web/search/search_model";
import {browser} from "@web/core/browser/browser";
import {kanbanView} from "@web/views/kanban/kanban_view";
import {listView} from "@web/views/list/list_view";
import {onWillUnmount} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {utils} from "@web/core/ui/ui_service";

/** News within this time are asked for together, so that a busy day is no flood. */
export const GATHER_MS = 1500;

/**
 * Let a list or kanban show what comes in, unless somebody works in it right now.
 *
 * @param {import("@odoo/owl").Component} controller of the view
 */
function useLiveConversations(controller) {
    const bus = useService("bus_service");
    let timeout = null;
    const isBusy = () => {
        const {root} = controller.model;
        return (
            document.hidden ||
            root.editedRecord ||
            root.selection?.length ||
            document.querySelector(".o_dragged, .o_kanban_renderer .o_touch_bounce")
        );
    };
    const reload = async () => {
        timeout = null;
        if (isBusy()) {
            plan();
            return;
        }
        // What an empty list shows are examples, which end with the first text.
        controller.model.useSampleModel = false;
        await controller.model.root.load();
        controller.model.notify();
    };
    const plan = () => {
        timeout ??= browser.setTimeout(reload, GATHER_MS);
    };
    const onUpdate = ({conversation_ids: ids = []}) => {
        if (ids.length) {
            plan();
        }
    };
    bus.subscribe(NOTIFICATION_TYPE, onUpdate);
    onWillUnmount(() => {
        bus.unsubscribe(NOTIFICATION_TYPE, onUpdate);
        browser.clearTimeout(timeout);
    });
}

export const smsConversationListView = {
    ...listView,
    Controller: class extends listView.Controller {
        setup() {
            super.setup();
            useLiveConversations(this);
        }
    },
};
registry.category("views").add("sms_conversation_list", smsConversationListView);

export const smsConversationKanbanView = {
    ...kanbanView,
    SearchModel: class extends SearchModel {
        /** On a phone, columns would hide one another. */
        load(config) {
            const {defaultGroupBy} = config;
            return super.load({
                ...config,
                defaultGroupBy: utils.isSmall() ? undefined : defaultGroupBy,
            });
        }
    },
    Controller: class extends kanbanView.Controller {
        setup() {
            super.setup();
            useLiveConversations(this);
        }
    },
};
registry.category("views").add("sms_conversation_kanban", smsConversationKanbanView);
