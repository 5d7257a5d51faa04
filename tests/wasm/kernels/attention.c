// Our attention against sums in double: a line of JSON for each shape with the largest difference, the values being of
// size 1. Called by check.c.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-cpu.h"
#include "ggml.h"

enum { MOST_PLACES = 320 };

static double noise(void) { return 2.0 * rand() / RAND_MAX - 1; }

static ggml_fp16_t masked_or_not(int place, int token) {
    const int hidden = (place * 7 + token) % 5 == 0 || (place >= 64 && place < 128);
    return ggml_fp32_to_fp16(place && hidden ? -INFINITY : place % 3 ? 0 : -0.5f);
}

static double difference(const struct ggml_tensor * dst, float scale) {
    const struct ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3];
    double worst = 0;
    for (int token = 0; token < q->ne[1]; token++) {
        for (int head = 0; head < q->ne[2]; head++) {
            const char * query = (const char *) q->data + token * q->nb[1] + head * q->nb[2];
            const size_t shared = head / (q->ne[2] / k->ne[2]);
            double p[MOST_PLACES], top = -INFINITY, sum = 0;
            for (int i = 0; i < k->ne[1]; i++) {
                const ggml_fp16_t * key = (const ggml_fp16_t *) ((const char *) k->data + i * k->nb[1] + shared * k->nb[2]);
                p[i] = 0;
                for (int d = 0; d < k->ne[0]; d++) {
                    const float rounded = ggml_fp16_to_fp32(ggml_fp32_to_fp16(((const float *) query)[d]));
                    p[i] += (double) rounded * ggml_fp16_to_fp32(key[d]);
                }
                const char * row = (const char *) mask->data + token * mask->nb[1];
                p[i] = p[i] * scale + ggml_fp16_to_fp32(((const ggml_fp16_t *) row)[i]);
                top = fmax(top, p[i]);
            }
            for (int i = 0; i < k->ne[1]; i++) sum += p[i] = exp(p[i] - top);
            for (int d = 0; d < v->ne[0]; d++) {
                double out = 0;
                for (int i = 0; i < k->ne[1]; i++) {
                    const char * value = (const char *) v->data + i * v->nb[1] + shared * v->nb[2];
                    if (p[i] > 0) out += p[i] / sum * ggml_fp16_to_fp32(((const ggml_fp16_t *) value)[d]);
                }
                const float * got = (const float *) dst->data + ((size_t) token * q->ne[2] + head) * v->ne[0] + d;
                const double off = fabs(out - *got);
                if (!(off <= worst)) worst = off < INFINITY ? off : 1e9;  // NaN too
            }
        }
    }
    return worst;
}

static void fill(struct ggml_tensor * tensor, float size) {
    for (int64_t i = 0; i < ggml_nelements(tensor); i++) {
        if (tensor->type == GGML_TYPE_F32) ((float *) tensor->data)[i] = size * noise();
        else ((ggml_fp16_t *) tensor->data)[i] = ggml_fp32_to_fp16(size * noise());
    }
}

static void check(int size, int heads, int shared, int tokens, int places) {
    struct ggml_context * all = ggml_init((struct ggml_init_params) {.mem_size = 16 << 20});
    struct ggml_tensor * q = ggml_new_tensor_3d(all, GGML_TYPE_F32, size, tokens, heads);
    struct ggml_tensor * k = ggml_new_tensor_3d(all, GGML_TYPE_F16, size, places, shared);
    struct ggml_tensor * v = ggml_new_tensor_3d(all, GGML_TYPE_F16, size, places, shared);
    struct ggml_tensor * mask = ggml_new_tensor_2d(all, GGML_TYPE_F16, places, tokens);
    fill(q, 6);  // scores far apart
    fill(k, 1);
    fill(v, 1);
    for (int i = 0; i < places * tokens; i++) {
        const ggml_fp16_t m = masked_or_not(i % places, i / places);
        ((ggml_fp16_t *) mask->data)[i] = m;
        // What the mask hides may be anything.
        if (tokens == 1 && ggml_fp16_to_fp32(m) == -INFINITY) {
            for (int j = 0; j < shared; j++) {
                ((ggml_fp16_t *) v->data)[((size_t) j * places + i) * size] = ggml_fp32_to_fp16(NAN);
            }
        }
    }
    const float scale = 1 / sqrtf(size);
    struct ggml_tensor * dst = ggml_flash_attn_ext(all, q, k, v, mask, scale, 0, 0);
    struct ggml_cgraph * graph = ggml_new_graph(all);
    ggml_build_forward_expand(graph, dst);
    ggml_graph_compute_with_ctx(all, graph, 1);
    printf("{\"type\": \"attention\", \"kind\": \"%d values, %d heads, %d with keys, %d tokens, %d places\", \"worst\": %g}\n",
           size, heads, shared, tokens, places, difference(dst, scale));
    ggml_free(all);
}

void check_attention(void);
void check_attention(void) {
    srand(1);
    check(64, 12, 12, 1, 1);
    check(64, 12, 12, 1, 300);
    check(64, 32, 4, 1, 70);
    check(64, 32, 4, 3, 257);
    check(128, 6, 2, 1, 130);   // three heads together
    check(80, 14, 2, 2, 65);    // seven
    check(36, 4, 1, 1, 320);    // no whole number of wide steps
    check(256, 10, 2, 63, 63);
}
