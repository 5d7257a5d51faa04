// Scales of Q4_K and Q5_K: eight of six bits, then eight minima of six bits, in twelve bytes.
#pragma once

#include "common.h"

typedef struct {
    uint8_t scales[8];
    uint8_t mins[8];
} k_scales;

// As in ggml's dequantisation (get_scale_min_k4), all eight at once.
INLINE k_scales unpack_k_scales(const uint8_t packed[K_SCALE_SIZE]) {
    uint32_t u[3];
    memcpy(u, packed, sizeof(u));
    const uint32_t out[4] = {
        u[0] & 0x3f3f3f3f,
        (u[2] & 0x0f0f0f0f) | (u[0] >> 6 & 0x03030303) << 4,
        u[1] & 0x3f3f3f3f,
        (u[2] >> 4 & 0x0f0f0f0f) | (u[1] >> 6 & 0x03030303) << 4,
    };
    k_scales scales;
    memcpy(&scales, out, sizeof(scales));
    return scales;
}

// Sums of the activations in each 32, of those in each 16.
INLINE v128_t sums_of_32(const block_q8_K * b) {
    const v128_t low = wasm_v128_load(b->bsums), high = wasm_v128_load(b->bsums + 8);
    return wasm_i16x8_add(wasm_i16x8_shuffle(low, high, 0, 2, 4, 6, 8, 10, 12, 14),
                          wasm_i16x8_shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15));
}
