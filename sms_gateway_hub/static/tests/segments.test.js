/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import {beforeEach, describe, expect, globals, test} from "@odoo/hoot";
import {
    cleanText,
    countSegments,
    splitSegments,
    unsupportedGsm7,
} from "@sms_gateway_hub/core/segments";

describe.current.tags("headless");

let cases = null;

// The rows that tests/test_segments.py reads; the file is fetched for real, once.
beforeEach(async () => {
    if (!cases) {
        const url = "/sms_gateway_hub/static/tests/segments_cases.json";
        const response = await globals.fetch(url);
        cases = await response.json();
        for (const row of cases.counts) {
            row.text = row.text.map(([piece, times]) => piece.repeat(times)).join("");
            row.options = {referenceBits: row.reference_bits || 8};
        }
    }
});

test("each row has the encoding, units, segments and room that it names", () => {
    expect(cases.counts.length).toBeGreaterThan(50);
    for (const row of cases.counts) {
        expect(countSegments(row.text, row.options)).toEqual(
            {
                encoding: row.encoding,
                units: row.units,
                segments: row.segments,
                unitsLeft: row.units_left,
                segmentSize: row.segment_size,
            },
            {message: row.name},
        );
    }
});

test("each row falls into the named parts, which joined give the text", () => {
    for (const row of cases.counts) {
        const parts = splitSegments(row.text, row.options);
        const lengths = parts.map((part) => [...part].length);
        expect(lengths).toEqual(row.part_lengths, {message: row.name});
        expect(parts.join("")).toBe(row.text, {message: row.name});
    }
});

test("each row lists its characters outside GSM-7 once, in order", () => {
    for (const row of cases.counts) {
        const found = unsupportedGsm7(row.text);
        expect(found).toEqual(row.unsupported, {message: row.name});
    }
});

test("each text is cleaned into its twin, and cleaning that changes nothing", () => {
    for (const row of cases.cleaned) {
        expect(cleanText(row.text)).toBe(row.clean, {message: row.name});
        expect(cleanText(row.clean)).toBe(row.clean, {message: row.name});
    }
});

test("an unset field is an empty text", () => {
    expect(countSegments(false)).toEqual(countSegments(""));
    expect(splitSegments(undefined)).toEqual([]);
    expect(unsupportedGsm7(false)).toEqual([]);
    expect(cleanText(false)).toBe("");
});

test("a reference has 8 or 16 bits and nothing else", () => {
    expect(() => countSegments("a", {referenceBits: 7})).toThrow(RangeError);
});
