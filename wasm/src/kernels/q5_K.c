#include "k_scales.h"
#include "q5_K.h"
#include "rows.h"

// w = d * scale * q - dmin * min
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_K * b = (const block_q8_K *) y;
    const v128_t zero = wasm_i32x4_splat(0);
    v128_t sums[4] = {zero, zero, zero, zero};
    for (int i = 0; i < n / QK_K; i++) {
        const v128_t sums32 = sums_of_32(b + i);
        UNROLL for (int r = 0; r < count; r++) {
            const block_q5_K * a = (const block_q5_K *) (x + r * bx) + i;
            const k_scales k = unpack_k_scales(a->scales);
            const v128_t bits0 = wasm_v128_load(a->qh), bits1 = wasm_v128_load(a->qh + 16);
            v128_t total = zero;
            UNROLL for (int j = 0; j < QK_K / 64; j++) {
                const int8_t * q8 = b[i].qs + 64 * j;
                const v128_t q0 = wasm_v128_load(a->qs + 32 * j), q1 = wasm_v128_load(a->qs + 32 * j + 16);
                v128_t low = dot_u7(wasm_v128_or(nibbles_low(q0), fifth_bit(bits0, 2 * j)), wasm_v128_load(q8), zero);
                low = dot_u7(wasm_v128_or(nibbles_low(q1), fifth_bit(bits1, 2 * j)), wasm_v128_load(q8 + 16), low);
                v128_t high = dot_u7(wasm_v128_or(nibbles_high(q0), fifth_bit(bits0, 2 * j + 1)), wasm_v128_load(q8 + 32), zero);
                high = dot_u7(wasm_v128_or(nibbles_high(q1), fifth_bit(bits1, 2 * j + 1)), wasm_v128_load(q8 + 48), high);
                total = wasm_i32x4_add(total, wasm_i32x4_mul(low, wasm_i32x4_splat(k.scales[2 * j])));
                total = wasm_i32x4_add(total, wasm_i32x4_mul(high, wasm_i32x4_splat(k.scales[2 * j + 1])));
            }
            const v128_t mins = wasm_i32x4_dot_i16x8(wasm_u16x8_load8x8(k.mins), sums32);
            const v128_t d = wasm_f32x4_splat(f16_scalar(a->d) * b[i].d);
            const v128_t dmin = wasm_f32x4_splat(-f16_scalar(a->dmin) * b[i].d);
            sums[r] = fma4(wasm_f32x4_convert_i32x4(total), d, sums[r]);
            sums[r] = fma4(wasm_f32x4_convert_i32x4(mins), dmin, sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
}

DEFINE_ROWS(q5_K, q8_K, rows)
