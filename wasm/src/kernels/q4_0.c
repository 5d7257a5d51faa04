#include "rows.h"

// w = d * (q - 8)
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_0 * b = (const block_q8_0 *) y;
    const v128_t zero = wasm_i32x4_splat(0), eight = wasm_i8x16_splat(8);
    v128_t sums[4] = {zero, zero, zero, zero};
#define ROW(r) ((const block_q4_0 *) (x + (r) * bx))
    for (int i = 0; i < n / QK8_0; i++) {
        const v128_t low = wasm_v128_load(b[i].qs), high = wasm_v128_load(b[i].qs + 16);
        const v128_t offset = wasm_i32x4_neg(dot_u7(eight, high, dot_u7(eight, low, zero)));
        const v128_t d = f16_splat(b[i].d);
        UNROLL for (int r = 0; r < count; r++) {
            const v128_t q = wasm_v128_load(ROW(r)[i].qs);
            const v128_t dot = dot_u7(nibbles_high(q), high, dot_u7(nibbles_low(q), low, offset));
            const v128_t scale = wasm_f32x4_mul(d, f16_splat(ROW(r)[i].d));
            sums[r] = fma4(wasm_f32x4_convert_i32x4(dot), scale, sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
#undef ROW
}

DEFINE_ROWS(q4_0, q8_0, rows)
