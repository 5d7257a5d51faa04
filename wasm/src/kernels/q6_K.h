// Q6_K's quants: four bits in ql, two in qh.
#pragma once

#include "common.h"

// Four times 16 values of 0..63 out of 16 bytes: those at 16 * k, 32 + 16 * k, 64 + 16 * k, 96 + 16 * k of `half`.
INLINE void unpack_q6_K_part(const void * block, int half, int k, v128_t q[4]) {
    const block_q6_K * a = (const block_q6_K *) block;
    const v128_t three = wasm_i8x16_splat(0x30);
    const v128_t low = wasm_v128_load(a->ql + 64 * half + 16 * k);
    const v128_t high = wasm_v128_load(a->ql + 64 * half + 32 + 16 * k);
    const v128_t bits = wasm_v128_load(a->qh + 32 * half + 16 * k);
    q[0] = wasm_v128_or(nibbles_low(low), wasm_v128_and(wasm_i16x8_shl(bits, 4), three));
    q[1] = wasm_v128_or(nibbles_low(high), wasm_v128_and(wasm_i16x8_shl(bits, 2), three));
    q[2] = wasm_v128_or(nibbles_high(low), wasm_v128_and(bits, three));
    q[3] = wasm_v128_or(nibbles_high(high), wasm_v128_and(wasm_u16x8_shr(bits, 2), three));
}
