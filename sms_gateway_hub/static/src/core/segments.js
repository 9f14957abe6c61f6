/* Copyright 2026 SMS Gateway Hub contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

/**
 * Count and split SMS segments the way a handset network does.
 *
 * Twin of `tools/segments.py`, which holds the sources and the reasons: same table,
 * same algorithm, same rows (`static/tests/segments_cases.json`).
 */

export const ENCODING_GSM7 = "gsm7";
export const ENCODING_UCS2 = "ucs2";

// In the order of the septets 0x00 to 0x7F; 0x1B is the escape to the extension table.
export const GSM7_DEFAULT =
    "@£$¥èéùìòÇ\nØø\rÅå" +
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ" +
    " !\"#¤%&'()*+,-./" +
    "0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNO" +
    "PQRSTUVWXYZÄÖÑÜ§" +
    "¿abcdefghijklmno" +
    "pqrstuvwxyzäöñüà";
export const GSM7_EXTENSION = new Set("\f^{}\\[~]|€");
export const GSM7_ALPHABET = new Set([...GSM7_DEFAULT, ...GSM7_EXTENSION]);
GSM7_ALPHABET.delete("\x1b");

/** Units in a text that fits one SMS. */
export const SINGLE_SIZE = {[ENCODING_GSM7]: 160, [ENCODING_UCS2]: 70};
/** Units in one part of a longer text, by bits of the concatenation reference. */
export const PART_SIZE = {
    8: {[ENCODING_GSM7]: 153, [ENCODING_UCS2]: 67},
    16: {[ENCODING_GSM7]: 152, [ENCODING_UCS2]: 66},
};

/**
 * @typedef {Object} SegmentCount
 * @property {string} encoding ENCODING_GSM7 or ENCODING_UCS2
 * @property {number} units septets (GSM-7) or UTF-16 code units of the whole text
 * @property {number} segments SMS parts, 0 for an empty text
 * @property {number} unitsLeft units still free in the last part
 * @property {number} segmentSize units that one part of this text can carry
 */

/**
 * Fill the parts of a text, one after the other.
 *
 * @param {string} text
 * @param {number} referenceBits width of the concatenation reference, 8 or 16
 * @returns {{encoding: string, size: number, units: number, starts: number[],
 *  used: number}} `starts`: the index at which each part starts; `used`: units in
 *  the last part
 * @throws {RangeError} if `referenceBits` is neither 8 nor 16
 */
function layOut(text, referenceBits) {
    if (!(referenceBits in PART_SIZE)) {
        throw new RangeError(`referenceBits must be 8 or 16, not ${referenceBits}`);
    }
    // Iterating a string gives whole characters: a surrogate pair stays together.
    const chars = [...text];
    let encoding = ENCODING_GSM7;
    let costOf = (char) => (GSM7_EXTENSION.has(char) ? 2 : 1);
    if (!chars.every((char) => GSM7_ALPHABET.has(char))) {
        encoding = ENCODING_UCS2;
        costOf = (char) => char.length;
    }
    const units = chars.reduce((sum, char) => sum + costOf(char), 0);
    let size = SINGLE_SIZE[encoding];
    if (units <= size) {
        return {encoding, size, units, starts: text ? [0] : [], used: units};
    }
    size = PART_SIZE[referenceBits][encoding];
    const starts = [0];
    let index = 0;
    let used = 0;
    for (const char of chars) {
        const cost = costOf(char);
        used += cost;
        if (used > size) {
            starts.push(index);
            used = cost;
        }
        index += char.length;
    }
    return {encoding, size, units, starts, used};
}

/**
 * Return what it takes to send a text.
 *
 * @param {string} text an unset field counts as empty
 * @param {{referenceBits?: number}} [options] 8 (default) or 16
 * @returns {SegmentCount}
 * @throws {RangeError} if `referenceBits` is neither 8 nor 16
 */
export function countSegments(text, {referenceBits = 8} = {}) {
    const {encoding, size, units, starts, used} = layOut(text || "", referenceBits);
    return {
        encoding,
        units,
        segments: starts.length,
        unitsLeft: size - used,
        segmentSize: size,
    };
}

/**
 * Return the text of each SMS part, in order; joined they give `text`.
 *
 * @param {string} text an unset field counts as empty
 * @param {{referenceBits?: number}} [options] 8 (default) or 16
 * @returns {string[]}
 * @throws {RangeError} if `referenceBits` is neither 8 nor 16
 */
export function splitSegments(text, {referenceBits = 8} = {}) {
    text = text || "";
    const {starts} = layOut(text, referenceBits);
    return starts.map((start, part) => text.slice(start, starts[part + 1]));
}

/**
 * Return the distinct characters that force a text into UCS-2, in order of appearance.
 *
 * @param {string} text an unset field counts as empty
 * @returns {string[]}
 */
export function unsupportedGsm7(text) {
    return [...new Set(text || "")].filter((char) => !GSM7_ALPHABET.has(char));
}

/**
 * Return the text as the hub sends it; see `clean_text` in `tools/segments.py`.
 *
 * @param {string} text an unset field counts as empty
 * @returns {string}
 */
export function cleanText(text) {
    return (
        (text || "")
            .replace(/\r\n?|[\v\f]/g, "\n")
            .replaceAll("\t", " ")
            // eslint-disable-next-line no-control-regex
            .replace(/[\x00-\x09\x0b-\x1f\x7f]/g, "")
            .replace(/\p{Surrogate}/gu, "\ufffd")
    );
}
