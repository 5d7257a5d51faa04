#include "rows.h"

// w = d * q
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_0 * b = (const block_q8_0 *) y;
    const v128_t zero = wasm_i32x4_splat(0);
    v128_t sums[4] = {zero, zero, zero, zero};
#define ROW(r) ((const block_q8_0 *) (x + (r) * bx))
    for (int i = 0; i < n / QK8_0; i++) {
        const activations32 active = load_activations(b[i].qs);
        const v128_t scales = ROW_SCALES(count, ROW, i, f16_scalar(b[i].d));
        UNROLL for (int r = 0; r < count; r++) {
            const int8_t * q = ROW(r)[i].qs;
            const v128_t dot = dot_s8(wasm_v128_load(q), wasm_v128_load(q + 16), active);
            sums[r] = fma4(wasm_f32x4_convert_i32x4(dot), splat_lane(scales, r), sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
#undef ROW
}

DEFINE_ROWS(q8_0, q8_0, rows)
