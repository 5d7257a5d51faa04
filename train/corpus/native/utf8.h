// Texts as they come from Python, and what has to be known of UTF-8.
#pragma once

#include <cstring>
#include <vector>

#include "mix.h"

namespace dedup {

// Where a text lies. width 0: UTF-8; 1, 2, 4: code points of so many bytes each, as Python keeps them.
struct Text {
    const unsigned char *data;
    size_t size;  // bytes of UTF-8, else code points
    int width;
};

inline bool same(const Text &a, const Text &b) {
    const size_t unit = a.width ? a.width : 1;
    return a.width == b.width && a.size == b.size && std::memcmp(a.data, b.data, a.size * unit) == 0;
}

// The bytes from `at` on as a number, the first one lowest.
template <typename Word>
Word load(const unsigned char *at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return sizeof word == 8 ? __builtin_bswap64(word) : __builtin_bswap32(word);
#else
    return word;
#endif
}

// Where the character after that at `at` begins. A byte that begins none stands alone, and what is cut short stops at
// the end.
inline const unsigned char *next_char(const unsigned char *at, const unsigned char *end) {
    const unsigned char lead = *at;
    const ptrdiff_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return bytes < end - at ? at + bytes : end;
}

template <typename Unit>
size_t encode_units(const unsigned char *data, size_t count, unsigned char *utf8) {
    unsigned char *out = utf8;
    for (size_t i = 0; i < count; ++i) {
        Unit unit;
        std::memcpy(&unit, data + i * sizeof unit, sizeof unit);
        const uint32_t code = unit;
        const auto tail = [code](int shift) { return static_cast<unsigned char>(0x80 | (code >> shift & 0x3F)); };
        if (code < 0x80) {
            *out++ = static_cast<unsigned char>(code);
        } else if (code < 0x800) {
            *out++ = static_cast<unsigned char>(0xC0 | code >> 6);
            *out++ = tail(0);
        } else if (code < 0x10000) {  // lone surrogates, too
            *out++ = static_cast<unsigned char>(0xE0 | code >> 12);
            *out++ = tail(6);
            *out++ = tail(0);
        } else {
            *out++ = static_cast<unsigned char>(0xF0 | code >> 18);
            *out++ = tail(12);
            *out++ = tail(6);
            *out++ = tail(0);
        }
    }
    return out - utf8;
}

// Code points to UTF-8; answers how many bytes. A lone surrogate has three bytes, as with Python's surrogatepass.
inline size_t encode(const Text &text, std::vector<unsigned char> &utf8) {
    const size_t most = text.size * (text.width == 1 ? 2 : text.width == 2 ? 3 : 4);
    if (utf8.size() < most) utf8.resize(most);
    switch (text.width) {
        case 1: return encode_units<uint8_t>(text.data, text.size, utf8.data());
        case 2: return encode_units<uint16_t>(text.data, text.size, utf8.data());
        default: return encode_units<uint32_t>(text.data, text.size, utf8.data());
    }
}

}  // namespace dedup
