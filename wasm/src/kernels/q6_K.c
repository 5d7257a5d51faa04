#include "q6_K.h"
#include "rows.h"

// w = d * scale * (q - 32)
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_K * b = (const block_q8_K *) y;
    const v128_t zero = wasm_i32x4_splat(0);
    v128_t sums[4] = {zero, zero, zero, zero};
    for (int i = 0; i < n / QK_K; i++) {
        const v128_t sums_low = wasm_v128_load(b[i].bsums), sums_high = wasm_v128_load(b[i].bsums + 8);
        UNROLL for (int r = 0; r < count; r++) {
            const block_q6_K * a = (const block_q6_K *) (x + r * bx) + i;
            const v128_t scales = wasm_v128_load(a->scales);
            const v128_t scales_low = wasm_i16x8_extend_low_i8x16(scales), scales_high = wasm_i16x8_extend_high_i8x16(scales);
            int16_t scale[16];
            wasm_v128_store(scale, scales_low);
            wasm_v128_store(scale + 8, scales_high);
            v128_t offset = wasm_i32x4_dot_i16x8(scales_low, sums_low);
            offset = wasm_i32x4_add(offset, wasm_i32x4_dot_i16x8(scales_high, sums_high));
            v128_t total = wasm_i32x4_neg(wasm_i32x4_shl(offset, 5));
            NO_UNROLL for (int part = 0; part < 4; part++) {
                const int half = part / 2, k = part % 2;
                v128_t q[4];
                unpack_q6_K_part(a, half, k, q);
                UNROLL for (int j = 0; j < 4; j++) {
                    const v128_t active = wasm_v128_load(b[i].qs + 128 * half + 32 * j + 16 * k);
                    total = dot_scaled(q[j], active, wasm_v128_load16_splat(scale + 8 * half + 2 * j + k), total);
                }
            }
            const v128_t d = wasm_f32x4_splat(f16_scalar(a->d) * b[i].d);
            sums[r] = fma4(wasm_f32x4_convert_i32x4(total), d, sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
}

DEFINE_ROWS(q6_K, q8_K, rows)
