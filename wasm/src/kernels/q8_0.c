#include "rows.h"

// w = d * q. By 16-bit products: bytes would have to be split, as relaxed SIMD multiplies seven bits by eight.
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_0 * b = (const block_q8_0 *) y;
    const v128_t zero = wasm_i32x4_splat(0);
    v128_t sums[4] = {zero, zero, zero, zero};
#define ROW(r) ((const block_q8_0 *) (x + (r) * bx))
    for (int i = 0; i < n / QK8_0; i++) {
        v128_t active[4];
        UNROLL for (int j = 0; j < 4; j++) active[j] = wasm_i16x8_load8x8(b[i].qs + 8 * j);
        const v128_t d = f16_splat(b[i].d);
        UNROLL for (int r = 0; r < count; r++) {
            const int8_t * q = ROW(r)[i].qs;
            v128_t dot = wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(q), active[0]);
            UNROLL for (int j = 1; j < 4; j++) {
                dot = wasm_i32x4_add(dot, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(q + 8 * j), active[j]));
            }
            const v128_t scale = wasm_f32x4_mul(d, f16_splat(ROW(r)[i].d));
            sums[r] = fma4(wasm_f32x4_convert_i32x4(dot), scale, sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
#undef ROW
}

DEFINE_ROWS(q8_0, q8_0, rows)
