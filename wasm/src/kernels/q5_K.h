// The fifth bits of Q5_K.
#pragma once

#include "common.h"

// Bit `bit` of each byte, where it counts 16.
INLINE v128_t fifth_bit(v128_t bytes, int bit) {
    const v128_t moved = bit < 4 ? wasm_i16x8_shl(bytes, 4 - bit) : wasm_u16x8_shr(bytes, bit - 4);
    return wasm_v128_and(moved, wasm_i8x16_splat(0x10));
}
