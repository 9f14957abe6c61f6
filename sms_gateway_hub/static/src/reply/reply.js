/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

/**
 * What the reply page does better with a script; it works without one.
 */

import {cleanText, countSegments} from "@sms_gateway_hub/core/segments";

const REFRESH_MS = 20000;

const form = document.querySelector("form.answer");
const textArea = form?.querySelector("textarea");
const counter = document.getElementById("counter");
let isBusy = false;

function count() {
    const text = cleanText(textArea.value);
    const {segments} = countSegments(text);
    const {words, tooLong, partsMax} = counter.dataset;
    const isTooLong = segments > Number(partsMax);
    counter.textContent = words
        // As Python counts: a character beyond U+FFFF is one.
        .replace("{chars}", [...text].length)
        .replace("{parts}", segments);
    if (isTooLong) {
        counter.textContent += ` – ${tooLong}`;
    }
    counter.classList.toggle("bad", isTooLong);
}

function setBusy(busy) {
    for (const button of form.querySelectorAll("button")) {
        button.disabled = busy;
    }
    isBusy = busy;
}

/** Show what came in meanwhile, unless somebody is writing. */
async function refresh() {
    if (document.hidden || isBusy || textArea?.value) {
        return;
    }
    let page = null;
    try {
        const response = await fetch(location.pathname, {cache: "no-store"});
        if (response.status >= 500) {
            return;
        }
        if (!response.ok) {
            // Expired or revoked meanwhile: say so.
            location.replace(location.pathname);
            return;
        }
        page = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
        // No network: the next time.
        return;
    }
    if (isBusy || textArea?.value) {
        return;
    }
    for (const id of ["thread", "notice", "keys"]) {
        const fresh = page.getElementById(id);
        const shown = document.getElementById(id);
        if (fresh && fresh.innerHTML !== shown.innerHTML) {
            shown.replaceWith(fresh);
        }
    }
}

if (form) {
    form.addEventListener("submit", () => {
        // Not before the form was read: a disabled button does not say its name.
        setTimeout(() => setBusy(true));
    });
    window.addEventListener("pageshow", () => setBusy(false));
    if (textArea) {
        counter.classList.add("live");
        textArea.addEventListener("input", count);
        count();
    }
    setInterval(refresh, REFRESH_MS);
    document.addEventListener("visibilitychange", refresh);
}
