// Q3_K's quants: two bits in qs, the third in hmask; and its scales: the low four bits of all in eight bytes, the
// high two in four.
#pragma once

#include "common.h"

// Four times 16 values of 0..7 out of 16 bytes: those at 16 * k, 32 + 16 * k, 64 + 16 * k, 96 + 16 * k of `half`.
INLINE void unpack_q3_K_part(const void * block, int half, int k, v128_t q[4]) {
    const block_q3_K * a = (const block_q3_K *) block;
    const v128_t three = wasm_i8x16_splat(3), four = wasm_i8x16_splat(4);
    const v128_t low = wasm_v128_load(a->qs + 32 * half + 16 * k);
    const v128_t bits = wasm_u16x8_shr(wasm_v128_load(a->hmask + 16 * k), 4 * half);
    q[0] = wasm_v128_or(wasm_v128_and(low, three), wasm_v128_and(wasm_i16x8_shl(bits, 2), four));
    q[1] = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(low, 2), three), wasm_v128_and(wasm_i16x8_shl(bits, 1), four));
    q[2] = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(low, 4), three), wasm_v128_and(bits, four));
    q[3] = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(low, 6), three), wasm_v128_and(wasm_u16x8_shr(bits, 1), four));
}

// The 16 scales, -32..31, as ggml's dequantisation has them.
INLINE v128_t q3_K_scales(const void * block) {
    const uint8_t * packed = ((const block_q3_K *) block)->scales;
    const v128_t low = wasm_v128_load64_splat(packed), high = wasm_v128_load32_splat(packed + 8);
    const v128_t four = wasm_i32x4_shuffle(nibbles_low(low), nibbles_high(low), 0, 1, 6, 7);
    const v128_t first = wasm_i32x4_shuffle(wasm_i32x4_shl(high, 4), wasm_i32x4_shl(high, 2), 0, 5, 0, 5);
    const v128_t last = wasm_i32x4_shuffle(high, wasm_u32x4_shr(high, 2), 0, 5, 0, 5);
    const v128_t two = wasm_v128_and(wasm_i64x2_shuffle(first, last, 0, 2), wasm_i8x16_splat(0x30));
    return wasm_i8x16_sub(wasm_v128_or(four, two), wasm_i8x16_splat(32));
}
