#include "unary.h"

#include "exp.h"

INLINE v128_t silu4(v128_t x) {
    return wasm_f32x4_div(x, wasm_f32x4_add(wasm_f32x4_splat(1), exp4(wasm_f32x4_neg(x))));
}

int lilm_silu(int n, float * y, const float * x) {
    for (int i = 0; i + 4 <= n; i += 4) wasm_v128_store(y + i, silu4(wasm_v128_load(x + i)));
    return n / 4 * 4;
}

int lilm_swiglu(int n, float * y, const float * x, const float * g) {
    for (int i = 0; i + 4 <= n; i += 4) {
        wasm_v128_store(y + i, wasm_f32x4_mul(silu4(wasm_v128_load(x + i)), wasm_v128_load(g + i)));
    }
    return n / 4 * 4;
}

int lilm_soft_max(int n, float * y, const float * x, float max, double * sum) {
    v128_t total = wasm_f32x4_splat(0);
    for (int i = 0; i + 4 <= n; i += 4) {
        const v128_t p = exp4(wasm_f32x4_sub(wasm_v128_load(x + i), wasm_f32x4_splat(max)));
        wasm_v128_store(y + i, p);
        total = wasm_f32x4_add(total, p);
    }
    *sum += sum4(total);
    return n / 4 * 4;
}
