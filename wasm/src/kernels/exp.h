// e^x of four floats.
#pragma once

#include "common.h"

// Below -87 the answer is 0, above 88 it is e^88. Relative error below 2^-22: 2^n * e^r with |r| <= ln2 / 2
// and a polynomial of degree 6 (coefficients of Cephes' expf, S. Moshier).
INLINE v128_t exp4(v128_t x) {
    const v128_t is_zero = wasm_f32x4_lt(x, wasm_f32x4_splat(-87));
    x = wasm_f32x4_pmin(x, wasm_f32x4_splat(88));
    const v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_splat(1.44269504f)));
    v128_t r = fma4(n, wasm_f32x4_splat(-0.693359375f), x);  // ln2 in two parts
    r = fma4(n, wasm_f32x4_splat(2.12194440e-4f), r);
    v128_t p = wasm_f32x4_splat(1.9875691500e-4f);
    p = fma4(p, r, wasm_f32x4_splat(1.3981999507e-3f));
    p = fma4(p, r, wasm_f32x4_splat(8.3334519073e-3f));
    p = fma4(p, r, wasm_f32x4_splat(4.1665795894e-2f));
    p = fma4(p, r, wasm_f32x4_splat(1.6666665459e-1f));
    p = fma4(p, r, wasm_f32x4_splat(5.0000001201e-1f));
    p = wasm_f32x4_add(fma4(p, wasm_f32x4_mul(r, r), r), wasm_f32x4_splat(1));
    const v128_t power = wasm_i32x4_shl(wasm_i32x4_trunc_sat_f32x4(n), 23);
    return wasm_v128_andnot(wasm_i32x4_add(p, power), is_zero);
}
