#include "iq4_nl.h"
#include "rows.h"

// w = d * table[q]
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_0 * b = (const block_q8_0 *) y;
    const v128_t zero = wasm_i32x4_splat(0);
    v128_t sums[4] = {zero, zero, zero, zero};
#define ROW(r) ((const block_iq4_nl *) (x + (r) * bx))
    for (int i = 0; i < n / QK4_NL; i++) {
        const activations32 active = load_activations(b[i].qs);
        const v128_t d = f16_splat(b[i].d);
        UNROLL for (int r = 0; r < count; r++) {
            const v128_t q = wasm_v128_load(ROW(r)[i].qs);
            const v128_t dot = dot_s8(iq4_nl_values(nibbles_low(q)), iq4_nl_values(nibbles_high(q)), active);
            const v128_t scale = wasm_f32x4_mul(d, f16_splat(ROW(r)[i].d));
            sums[r] = fma4(wasm_f32x4_convert_i32x4(dot), scale, sums[r]);
        }
    }
    UNROLL for (int r = 0; r < count; r++) s[r] = sum4(sums[r]);
#undef ROW
}

DEFINE_ROWS(iq4_nl, q8_0, rows)
