// Activations to bytes, rounded as ggml's own conversions round them.
#include "common.h"

void quantize_row_q8_0(const float * x, void * y, int64_t k);
void quantize_row_q8_K(const float * x, void * y, int64_t k);

// 16 floats times `scale`, rounded to even.
INLINE v128_t rounded(const float * x, v128_t scale) {
    v128_t part[4];
    UNROLL for (int j = 0; j < 4; j++) {
        const v128_t v = wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(x + 4 * j), scale));
        part[j] = wasm_i32x4_trunc_sat_f32x4(v);
    }
    return wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(part[0], part[1]),
                                   wasm_i16x8_narrow_i32x4(part[2], part[3]));
}

INLINE float largest(v128_t v) {
    v = wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    v = wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 1, 0, 3, 2));
    return wasm_f32x4_extract_lane(v, 0);
}

// f32 to f16, rounded to even; x is neither infinite nor NaN. By Fabian Giesen's float_to_half_fast3_rtne.
INLINE ggml_half to_f16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    const uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits >= 0x47800000) return sign | 0x7c00;
    if (bits < 0x38800000) {  // subnormal: let the FPU shift and round
        float shifted;
        memcpy(&shifted, &bits, sizeof(shifted));
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof(bits));
        return sign | (bits - 0x3f000000);
    }
    return sign | ((bits + 0xc8000fff + (bits >> 13 & 1)) >> 13);
}

// d = the largest size / 127, q = x / d
void quantize_row_q8_0(const float * x, void * y, int64_t k) {
    block_q8_0 * b = (block_q8_0 *) y;
    for (int64_t i = 0; i < k / QK8_0; i++, x += QK8_0) {
        v128_t top = wasm_f32x4_abs(wasm_v128_load(x));
        UNROLL for (int j = 1; j < 8; j++) top = wasm_f32x4_pmax(top, wasm_f32x4_abs(wasm_v128_load(x + 4 * j)));
        const float d = largest(top) / 127;
        const v128_t scale = wasm_f32x4_splat(d != 0 ? 1 / d : 0);
        b[i].d = to_f16(d);
        wasm_v128_store(b[i].qs, rounded(x, scale));
        wasm_v128_store(b[i].qs + 16, rounded(x + 16, scale));
    }
}

// d = -(the value of largest size) / 127, q = x / d, at most 127
void quantize_row_q8_K(const float * x, void * y, int64_t k) {
    block_q8_K * b = (block_q8_K *) y;
    for (int64_t i = 0; i < k / QK_K; i++, x += QK_K) {
        v128_t high = wasm_v128_load(x), low = high;
        for (int j = 4; j < QK_K; j += 4) {
            const v128_t v = wasm_v128_load(x + j);
            high = wasm_f32x4_pmax(high, v);
            low = wasm_f32x4_pmin(low, v);
        }
        const float max = largest(high), min = -largest(wasm_f32x4_neg(low));
        if (max == 0 && min == 0) {
            memset(b + i, 0, sizeof(b[i]));
            continue;
        }
        const float scale = -127 / (max > -min ? max : min);
        const v128_t ones = wasm_i8x16_splat(1);
        for (int j = 0; j < QK_K / 16; j++) {
            const v128_t q = rounded(x + 16 * j, wasm_f32x4_splat(scale));
            wasm_v128_store(b[i].qs + 16 * j, q);
            b[i].bsums[j] = (int16_t) sum4_i32(dot_u7(ones, q, wasm_i32x4_splat(0)));
        }
        b[i].d = 1 / scale;
    }
}
