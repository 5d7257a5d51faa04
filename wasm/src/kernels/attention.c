// Attention over a KV cache of half floats, for few tokens at a time: heads that share keys read them once, and sums stay
// in registers as f32. The softmax goes on from block to block (Milakov and Gimelshein 2018, arXiv:1805.02867).
#include "attention.h"

#include <math.h>

#include "exp.h"
#include "ggml-cpu-impl.h"
#include "simd-mappings.h"

#define BLOCK 64        // places of the cache at a time
#define MOST_SIZE 256   // values of a head
#define MOST_HEADS 8    // that share their keys, at a time

typedef struct {
    float q[MOST_HEADS][MOST_SIZE];
    float out[MOST_HEADS][MOST_SIZE];  // not yet divided by sum
    float p[MOST_HEADS][BLOCK];        // scores, then their exponentials
    float top[MOST_HEADS], sum[MOST_HEADS];
    int used[BLOCK];                   // the places that the mask leaves, from the block's beginning
    float mask[BLOCK];
} attention;

// Keys and values of four places in a row.
INLINE v128_t load_f16(const ggml_half * h) {
    const v128_t bits = wasm_i32x4_shl(wasm_i32x4_load16x4(h), 13);
    const v128_t wide = wasm_v128_and(bits, wasm_i32x4_splat((int32_t) 0x8fffe000));
    return wasm_f32x4_mul(wide, wasm_i32x4_splat(0x77800000));  // 2^112, the difference of the exponents
}

// Scores of `places` (1 or 4) used places from `first` on, for `heads` heads. The counts are constants.
INLINE void scores(const int heads, const int places, attention * a, int first, const char * keys, size_t stride,
                   int size, float scale) {
    v128_t sums[4][MOST_HEADS];
    const ggml_half * k[4];
    UNROLL for (int i = 0; i < places; i++) {
        k[i] = (const ggml_half *) (keys + a->used[first + i] * stride);
        UNROLL for (int h = 0; h < heads; h++) sums[i][h] = wasm_f32x4_splat(0);
    }
    for (int d = 0; d < size; d += 4) {
        UNROLL for (int i = 0; i < places; i++) {
            const v128_t key = load_f16(k[i] + d);
            UNROLL for (int h = 0; h < heads; h++) sums[i][h] = fma4(key, wasm_v128_load(a->q[h] + d), sums[i][h]);
        }
    }
    UNROLL for (int i = 0; i < places; i++) {
        UNROLL for (int h = 0; h < heads; h++) a->p[h][first + i] = sum4(sums[i][h]) * scale + a->mask[first + i];
    }
}

// out += p * values, 4 * vectors values of each of `heads` heads from `d` on.
INLINE void add_values(const int heads, const int vectors, attention * a, int used, const char * values, size_t stride,
                       int d) {
    v128_t sums[MOST_HEADS][4];
    UNROLL for (int h = 0; h < heads; h++) {
        UNROLL for (int j = 0; j < vectors; j++) sums[h][j] = wasm_v128_load(a->out[h] + d + 4 * j);
    }
    for (int i = 0; i < used; i++) {
        const ggml_half * v = (const ggml_half *) (values + a->used[i] * stride) + d;
        UNROLL for (int j = 0; j < vectors; j++) {
            const v128_t value = load_f16(v + 4 * j);
            UNROLL for (int h = 0; h < heads; h++) {
                sums[h][j] = fma4(value, wasm_v128_load32_splat(a->p[h] + i), sums[h][j]);
            }
        }
    }
    UNROLL for (int h = 0; h < heads; h++) {
        UNROLL for (int j = 0; j < vectors; j++) wasm_v128_store(a->out[h] + d + 4 * j, sums[h][j]);
    }
}

// The scores of one head become exponentials; what was summed before them is brought to the new largest score.
static void soften(attention * a, int h, int used, int size) {
    const int whole = (used + 3) / 4 * 4;
    float top = a->top[h];
    for (int i = used; i < whole; i++) a->p[h][i] = -INFINITY;
    for (int i = 0; i < used; i++) top = a->p[h][i] > top ? a->p[h][i] : top;
    if (top > a->top[h]) {
        const float shrink = expf(a->top[h] - top);
        for (int d = 0; d < size; d += 4) {
            wasm_v128_store(a->out[h] + d, wasm_f32x4_mul(wasm_v128_load(a->out[h] + d), wasm_f32x4_splat(shrink)));
        }
        a->sum[h] *= shrink;
        a->top[h] = top;
    }
    v128_t sum = wasm_f32x4_splat(0);
    for (int i = 0; i < whole; i += 4) {
        const v128_t p = exp4(wasm_f32x4_sub(wasm_v128_load(a->p[h] + i), wasm_f32x4_splat(top)));
        wasm_v128_store(a->p[h] + i, p);
        sum = wasm_f32x4_add(sum, p);
    }
    a->sum[h] += sum4(sum);
}

// One block for `heads` heads, a constant: as many sums at a time as there are registers.
INLINE void block_of(const int heads, attention * a, int used, const char * keys, size_t k_stride, int k_size,
                     const char * values, size_t v_stride, int v_size, float scale) {
    const int places = heads <= 2 ? 4 : 1, vectors = heads == 1 ? 4 : heads == 2 ? 4 : heads == 4 ? 2 : 1;
    int i = 0;
    for (; i + places <= used; i += places) scores(heads, places, a, i, keys, k_stride, k_size, scale);
    for (; i < used; i++) scores(heads, 1, a, i, keys, k_stride, k_size, scale);
    for (int h = 0; h < heads; h++) soften(a, h, used, v_size);
    int d = 0;
    for (; d + 4 * vectors <= v_size; d += 4 * vectors) add_values(heads, vectors, a, used, values, v_stride, d);
    for (; d < v_size; d += 4) add_values(heads, 1, a, used, values, v_stride, d);
}

// Which of `n` places from `place` on the mask leaves.
static int find_used(attention * a, const ggml_half * mask, int64_t place, int n) {
    int used = 0;
    for (int i = 0; i < n; i++) {
        const float m = mask ? GGML_CPU_FP16_TO_FP32(mask[place + i]) : 0;
        if (m != -INFINITY) {
            a->used[used] = i;
            a->mask[used++] = m;
        }
    }
    return used;
}

// `heads` query heads from `head` on, which share their keys, of the token `token`.
static void attend(attention * a, const struct ggml_tensor * dst, int64_t head, int heads, int64_t token, float scale) {
    const struct ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3];
    const int k_size = (int) k->ne[0], v_size = (int) v->ne[0];
    const int64_t shared = head / (q->ne[2] / k->ne[2]);
    const char * keys = (const char *) k->data + shared * k->nb[2];
    const char * values = (const char *) v->data + shared * v->nb[2];
    const ggml_half * mask_row = mask ? (const ggml_half *) ((const char *) mask->data + token * mask->nb[1]) : NULL;
    for (int h = 0; h < heads; h++) {
        const float * query = (const float *) ((const char *) q->data + token * q->nb[1] + (head + h) * q->nb[2]);
        // Rounded as ggml's own code for half floats rounds it.
        for (int d = 0; d < k_size; d++) a->q[h][d] = GGML_CPU_FP16_TO_FP32(GGML_CPU_FP32_TO_FP16(query[d]));
        memset(a->out[h], 0, v_size * sizeof(float));
        a->top[h] = -INFINITY;
        a->sum[h] = 0;
    }
    for (int64_t place = 0; place < k->ne[1]; place += BLOCK) {
        const int n = k->ne[1] - place < BLOCK ? (int) (k->ne[1] - place) : BLOCK;
        const int used = find_used(a, mask_row, place, n);
        if (used == 0) continue;
        const char *block_keys = keys + place * k->nb[1], *block_values = values + place * v->nb[1];
#define FOR(count) case count: block_of(count, a, used, block_keys, k->nb[1], k_size, block_values, v->nb[1], v_size, scale); break
        switch (heads) {
            FOR(1);
            FOR(2);
            FOR(4);
            default: block_of(8, a, used, block_keys, k->nb[1], k_size, block_values, v->nb[1], v_size, scale);
        }
#undef FOR
    }
    for (int h = 0; h < heads; h++) {
        float * out = (float *) ((char *) dst->data + (token * dst->ne[1] + head + h) * dst->nb[1]);
        const float by = a->sum[h] == 0 ? 0 : 1 / a->sum[h];
        for (int d = 0; d < v_size; d++) out[d] = a->out[h][d] * by;
    }
}

bool lilm_attention(const struct ggml_compute_params * params, struct ggml_tensor * dst) {
    const struct ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3];
    float settings[3];  // scale, max_bias of ALiBi, softcap
    memcpy(settings, dst->op_params, sizeof(settings));
    if (k->type != GGML_TYPE_F16 || v->type != GGML_TYPE_F16 || q->type != GGML_TYPE_F32 || dst->src[4] != NULL ||
        settings[1] != 0 || settings[2] != 0 || q->ne[1] >= 64 || q->ne[3] != 1 || k->ne[2] != v->ne[2] ||
        (mask && mask->ne[2] != 1) || k->ne[0] > MOST_SIZE || v->ne[0] > MOST_SIZE || k->ne[0] % 4 || v->ne[0] % 4) {
        return false;
    }
    attention a;
    const int64_t heads = q->ne[2], of_one_key = heads / k->ne[2], all = heads * q->ne[1];
    // Heads of a token stand together: a thread's share breaks few groups with the same keys.
    const int64_t end = all * (params->ith + 1) / params->nth;
    for (int64_t i = all * params->ith / params->nth; i < end;) {
        const int64_t head = i % heads, left = of_one_key - head % of_one_key;
        const int64_t together = left < end - i ? left : end - i;
        const int count = together >= 8 ? 8 : together >= 4 ? 4 : together >= 2 ? 2 : 1;
        attend(&a, dst, head, count, i / heads, settings[0]);
        i += count;
    }
    return true;
}
