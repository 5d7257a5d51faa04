// IQ4_NL's sixteen values, kvalues_iq4nl of ggml.
#pragma once

#include "common.h"

INLINE v128_t iq4_nl_values(v128_t nibbles) {
    const v128_t table = wasm_i8x16_make(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
#ifdef __wasm_relaxed_simd__
    return wasm_i8x16_relaxed_swizzle(table, nibbles);
#else
    return wasm_i8x16_swizzle(table, nibbles);
#endif
}
