// Rows of types whose blocks are 16 groups of 16 weights with a signed scale each and d last: w = d * scale * (q - bias).
#pragma once

#include "rows.h"

// Four times 16 quants, those at 16 * k, 32 + 16 * k, 64 + 16 * k, 96 + 16 * k of a block's `half`; the 16 scales as bytes.
typedef void (*sixteens_fn)(const void * block, int half, int k, v128_t q[4]);
typedef v128_t (*sixteen_scales_fn)(const void * block);

// bytes: of a block. bias: 1 << bias_bits. All but n, s, x, bx, y are constants. Four rows share activations that are
// made ready once.
INLINE void rows_of_sixteens(const int count, const size_t bytes, const int bias_bits, sixteens_fn unpack,
                             sixteen_scales_fn unpack_scales, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_K * b = (const block_q8_K *) y;
    const v128_t zero = wasm_i32x4_splat(0);
    v128_t sums[4] = {zero, zero, zero, zero};
    for (int i = 0; i < n / QK_K; i++, x += bytes) {
        const v128_t sums_low = wasm_v128_load(b[i].bsums), sums_high = wasm_v128_load(b[i].bsums + 8);
        int16_t scale[4][16];
        v128_t total[4];
        UNROLL for (int r = 0; r < count; r++) {
            const v128_t scales = unpack_scales(x + r * bx);
            const v128_t scales_low = wasm_i16x8_extend_low_i8x16(scales), scales_high = wasm_i16x8_extend_high_i8x16(scales);
            wasm_v128_store(scale[r], scales_low);
            wasm_v128_store(scale[r] + 8, scales_high);
            v128_t offset = wasm_i32x4_dot_i16x8(scales_low, sums_low);
            offset = wasm_i32x4_add(offset, wasm_i32x4_dot_i16x8(scales_high, sums_high));
            total[r] = wasm_i32x4_neg(wasm_i32x4_shl(offset, bias_bits));
        }
        NO_UNROLL for (int part = 0; part < 4; part++) {
            const int half = part / 2, k = part % 2;
            activations16 active[4];
            UNROLL for (int j = 0; j < 4; j++) active[j] = load_activations16(b[i].qs + 128 * half + 32 * j + 16 * k);
            UNROLL for (int r = 0; r < count; r++) {
                v128_t q[4];
                unpack(x + r * bx, half, k, q);
                UNROLL for (int j = 0; j < 4; j++) {
                    const v128_t one = wasm_v128_load16_splat(scale[r] + 8 * half + 2 * j + k);
                    total[r] = dot_scaled(q[j], active[j], one, total[r]);
                }
            }
        }
        UNROLL for (int r = 0; r < count; r++) {
            const ggml_half * d = (const ggml_half *) (x + r * bx + bytes) - 1;
            sums[r] = fma4(wasm_f32x4_convert_i32x4(total[r]), wasm_f32x4_splat(f16_scalar(*d) * b[i].d), sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
}
