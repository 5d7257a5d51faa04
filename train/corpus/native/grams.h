// From text to hashes of its character 5-grams.
//
// A gram is hashed as the UTF-8 it has, 5 to 20 bytes, so that UTF-8 need not be decoded. No two grams have the same
// bytes, nor has a text that is shorter than a gram and counts as one.
#pragma once

#include "utf8.h"

namespace dedup {

constexpr size_t GRAM = 5;  // characters
inline constexpr auto LENGTH_KEYS = constants<4 * GRAM + 1>(16);  // by bytes of a gram; so a zero byte is not none

// What a text is turned into; used again for the next one.
struct Scratch {
    std::vector<unsigned char> utf8;
    std::vector<uint64_t> grams;
};

// Hash of the bytes from `at` to `stop`, 20 at most. `end`: of what may be read.
inline uint64_t gram_hash(const unsigned char *at, const unsigned char *stop, const unsigned char *end) {
    const size_t bytes = stop - at;
    if (bytes < 8) {
        uint64_t word = 0;
        if (end - at >= 8) {
            word = load<uint64_t>(at) & ((uint64_t(1) << 8 * bytes) - 1);
        } else {
            for (size_t i = 0; i < bytes; ++i) word |= uint64_t(at[i]) << 8 * i;
        }
        return mix(word ^ constant(0), LENGTH_KEYS[bytes]);
    }
    uint64_t first = load<uint64_t>(at) ^ constant(0);
    if (bytes > 16) first = fold(first, load<uint32_t>(at + 8) ^ constant(1));
    return mix(first, load<uint64_t>(stop - 8) ^ LENGTH_KEYS[bytes]);
}

// Hashes of the grams of UTF-8 in order, repeated ones too, to `grams`, which has room for max(1, bytes); answers how
// many. An empty text has one, too.
inline size_t utf8_grams(const unsigned char *data, size_t bytes, uint64_t *grams) {
    const unsigned char *at = data, *stop = data, *const end = data + bytes;
    uint64_t *out = grams;
    for (size_t i = 0; i < GRAM && stop < end; ++i) stop = next_char(stop, end);
    *out++ = gram_hash(at, stop, end);
    size_t alike = 0;  // characters before `stop` that have as many bytes as the last one
    size_t last = 0;   // those bytes
    while (stop < end) {
        const unsigned char *before = stop;
        at = next_char(at, end);
        stop = next_char(stop, end);
        *out++ = gram_hash(at, stop, end);
        alike = size_t(stop - before) == last ? alike + 1 : 1;
        last = stop - before;
        if (alike < GRAM) continue;
        // The rest of a run, without looking at what is known.
        if (last == 3) {
            while (end - stop >= 3 && (*stop & 0xF0) == 0xE0) {
                at += 3;
                stop += 3;
                *out++ = gram_hash(at, at + 3 * GRAM, end);
            }
        } else if (last == 1) {
            while (end - stop >= 8 && *stop < 0x80) {
                ++at;
                ++stop;
                *out++ = gram_hash(at, at + GRAM, end);
            }
        }
    }
    return out - grams;
}

// Hashes of the text's grams into scratch.grams; answers how many.
inline size_t gram_hashes(const Text &text, Scratch &scratch) {
    const unsigned char *data = text.data;
    size_t bytes = text.size;
    if (text.width) {
        bytes = encode(text, scratch.utf8);
        data = scratch.utf8.data();
    }
    if (scratch.grams.size() <= bytes) scratch.grams.resize(bytes + 1);
    return utf8_grams(data, bytes, scratch.grams.data());
}

}  // namespace dedup
