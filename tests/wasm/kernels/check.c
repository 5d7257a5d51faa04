// Our kernels against ggml's generic ones: one line of JSON for each type and kind of data, with the largest
// difference, divided by the sum of the products' sizes.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-cpu.h"
#include "ggml-quants.h"
#include "ggml.h"
#include "kernels/panel.h"
#include "kernels/rows.h"
#include "quants.h"

enum { MOST_ROWS = 13, MOST_COLUMNS = 7, MOST_VALUES = 768, MANY_ROWS = 101, MOST_THREADS = 3 };

typedef void (*dot_fn)(int, float *, size_t, const void *, size_t, const void *, size_t, int);

typedef struct {
    const char * name;
    enum ggml_type weights, activations;
    const panel_type * panel;
    rows_fn rows4;
    dot_fn dot, generic;
} kernel;

static const kernel kernels[] = {
#define KERNEL(type, TYPE, act, ACT) \
    {#type, TYPE, ACT, &lilm_##type, lilm_rows4_##type, ggml_vec_dot_##type##_##act, ggml_vec_dot_##type##_##act##_generic}
    KERNEL(q4_0, GGML_TYPE_Q4_0, q8_0, GGML_TYPE_Q8_0),
    KERNEL(q5_0, GGML_TYPE_Q5_0, q8_0, GGML_TYPE_Q8_0),
    KERNEL(q8_0, GGML_TYPE_Q8_0, q8_0, GGML_TYPE_Q8_0),
    KERNEL(iq4_nl, GGML_TYPE_IQ4_NL, q8_0, GGML_TYPE_Q8_0),
    KERNEL(q3_K, GGML_TYPE_Q3_K, q8_K, GGML_TYPE_Q8_K),
    KERNEL(q4_K, GGML_TYPE_Q4_K, q8_K, GGML_TYPE_Q8_K),
    KERNEL(q5_K, GGML_TYPE_Q5_K, q8_K, GGML_TYPE_Q8_K),
    KERNEL(q6_K, GGML_TYPE_Q6_K, q8_K, GGML_TYPE_Q8_K),
};

void check_attention(void);

static float noise(void) { return rand() / (float) RAND_MAX - 0.5f; }

static float value(const char * kind, int i) {
    if (!strcmp(kind, "zeros")) return 0;
    if (!strcmp(kind, "huge")) return noise() * 2e4f;
    if (!strcmp(kind, "tiny")) return noise() * 1e-5f;  // f16 scales get subnormal
    if (!strcmp(kind, "alternating")) return i % 2 ? 1 : -1;
    if (!strcmp(kind, "spikes")) return i % 32 == 7 ? 100 * noise() : noise() * 0.01f;
    return noise();
}

// What no conversion writes but a file may hold: any bits, with a scale that is a number.
static void any_bits(const kernel * k, char * x, size_t bytes) {
    const size_t size = ggml_type_size(k->weights);
    for (size_t i = 0; i < bytes; i++) x[i] = (char) rand();
    for (char * block = x; block < x + bytes; block += size) {
        const ggml_half d = 0x2c00, dmin = 0x2800;
        const int is_last = k->weights == GGML_TYPE_Q3_K || k->weights == GGML_TYPE_Q6_K;
        memcpy(block + (is_last ? size - 2 : 0), &d, 2);
        if (k->weights == GGML_TYPE_Q4_K || k->weights == GGML_TYPE_Q5_K) memcpy(block + 2, &dmin, 2);
    }
}

static double worst;

static void compare(float got, float expected, double size) {
    const double difference = fabs((double) got - expected);
    if (!(difference <= worst * size)) worst = size > 0 ? difference / size : (difference == 0 ? worst : INFINITY);
}

static double size_of(const kernel * k, const char * x, const char * y, int n) {
    static float a[MOST_VALUES], b[MOST_VALUES];
    ggml_get_type_traits(k->weights)->to_float(x, a, n);
    if (k->activations == GGML_TYPE_Q8_0) {
        ggml_get_type_traits(GGML_TYPE_Q8_0)->to_float(y, b, n);
    } else {
        dequantize_row_q8_K((const block_q8_K *) y, b, n);
    }
    double sum = 0;
    for (int i = 0; i < n; i++) sum += fabs((double) a[i] * b[i]);
    return sum;
}

static void check(const kernel * k, const char * kind, int n, int rows, int columns) {
    static float values[MOST_ROWS * MOST_VALUES];
    static char x[MOST_ROWS * MOST_VALUES * 4], y[MOST_COLUMNS * MOST_VALUES * 4];
    static float dst[MOST_COLUMNS * MOST_ROWS];
    const size_t bx = ggml_row_size(k->weights, n), by = ggml_row_size(k->activations, n);
    for (int i = 0; i < rows * n; i++) values[i] = value(kind, i);
    ggml_quantize_chunk(k->weights, values, x, 0, rows, n, NULL);
    if (!strcmp(kind, "bits")) any_bits(k, x, rows * bx);
    const char * active = strcmp(kind, "tiny") ? kind : "random";  // or all products are zero
    for (int i = 0; i < columns * n; i++) values[i] = value(active, i);
    for (int c = 0; c < columns; c++) {
        (k->activations == GGML_TYPE_Q8_0 ? quantize_row_q8_0 : quantize_row_q8_K)(values + c * n, y + c * by, n);
    }
    // Rows one by one, by fours and in panels: the first row of the matrix stands elsewhere than the panel's.
    for (int i = 0; i < columns * rows; i++) dst[i] = NAN;
    lilm_gemm(k->panel, n, x, bx, 0, rows, y, by, columns, dst, rows);
    for (int c = 0; c < columns; c++) {
        float four[4] = {NAN, NAN, NAN, NAN};
        if (rows >= 4) k->rows4(n, four, x, bx, y + c * by);
        for (int r = 0; r < rows; r++) {
            float expected, one;
            k->generic(n, &expected, 0, x + r * bx, 0, y + c * by, 0, 1);
            k->dot(n, &one, 0, x + r * bx, 0, y + c * by, 0, 1);
            const double size = size_of(k, x + r * bx, y + c * by, n);
            compare(one, expected, size);
            compare(dst[c * rows + r], expected, size);
            if (r < 4 && rows >= 4) compare(four[r], expected, size);
        }
    }
}

// The largest difference between a product as a model's graph has it, by so many threads, and the generic kernel's.
static double product_differs(const kernel * k, int rows, int columns, int threads) {
    static char memory[1 << 20];
    static char y[MOST_VALUES * 4];
    const int n = 512;
    struct ggml_context * all = ggml_init((struct ggml_init_params) {.mem_size = sizeof(memory), .mem_buffer = memory});
    struct ggml_tensor * matrix = ggml_new_tensor_2d(all, k->weights, n, rows);
    struct ggml_tensor * active = ggml_new_tensor_2d(all, GGML_TYPE_F32, n, columns);
    static float values[MANY_ROWS * 512];
    for (int i = 0; i < rows * n; i++) values[i] = noise();
    ggml_quantize_chunk(k->weights, values, matrix->data, 0, rows, n, NULL);
    for (int i = 0; i < columns * n; i++) ((float *) active->data)[i] = noise();
    struct ggml_tensor * product = ggml_mul_mat(all, matrix, active);
    struct ggml_cgraph * graph = ggml_new_graph_custom(all, 8, false);
    ggml_build_forward_expand(graph, product);
    struct ggml_cplan plan = ggml_graph_plan(graph, threads, NULL);
    plan.work_data = malloc(plan.work_size + 64);
    ggml_graph_compute(graph, &plan);
    worst = 0;
    for (int c = 0; c < columns; c++) {
        (k->activations == GGML_TYPE_Q8_0 ? quantize_row_q8_0 : quantize_row_q8_K)((float *) active->data + c * n, y, n);
        for (int r = 0; r < rows; r++) {
            const char * x = (char *) matrix->data + r * matrix->nb[1];
            float expected;
            k->generic(n, &expected, 0, x, 0, y, 0, 1);
            compare(((float *) product->data)[c * rows + r], expected, size_of(k, x, y, n));
        }
    }
    free(plan.work_data);
    ggml_free(all);
    return worst < INFINITY ? worst : 1e9;
}

// Quants one apart where x / d lies between two, and the scales the same.
static int rounding_differs(const char * kind) {
    static float values[MOST_VALUES];
    static block_q8_0 a[MOST_VALUES / QK8_0], b[MOST_VALUES / QK8_0];
    static block_q8_K c[MOST_VALUES / QK_K], d[MOST_VALUES / QK_K];
    int different = 0;
    for (int i = 0; i < MOST_VALUES; i++) values[i] = value(kind, i);
    quantize_row_q8_0(values, a, MOST_VALUES);
    quantize_row_q8_0_ref(values, b, MOST_VALUES);
    quantize_row_q8_K(values, c, MOST_VALUES);
    quantize_row_q8_K_ref(values, d, MOST_VALUES);
    for (int i = 0; i < MOST_VALUES; i++) {
        different += abs(a[i / QK8_0].qs[i % QK8_0] - b[i / QK8_0].qs[i % QK8_0]);
        // -(-127) and 127 are the same when the scale's sign is another: a tie of the largest
        const float p = c[i / QK_K].d * c[i / QK_K].qs[i % QK_K], q = d[i / QK_K].d * d[i / QK_K].qs[i % QK_K];
        different += p != q;
    }
    for (int i = 0; i < MOST_VALUES / QK8_0; i++) different += a[i].d != b[i].d;
    for (int i = 0; i < MOST_VALUES / 16; i++) {
        int sum = 0;
        for (int j = 0; j < 16; j++) sum += c[i / 16].qs[i % 16 * 16 + j];
        different += sum != c[i / 16].bsums[i % 16];
    }
    return different;
}

int main(void) {
    const char * kinds[] = {"random", "zeros", "huge", "tiny", "alternating", "spikes", "bits"};
    ggml_cpu_init();
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        const kernel * k = kernels + i;
        for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
            worst = 0;
            srand(1);
            for (int rows = 1; rows <= MOST_ROWS; rows++) {
                for (int columns = 1; columns <= MOST_COLUMNS; columns += 3) {
                    const int smallest = k->activations == GGML_TYPE_Q8_0 ? 32 : 256;
                    check(k, kinds[j], smallest, rows, columns);
                    check(k, kinds[j], MOST_VALUES - (smallest == 32 ? 32 : 0), rows, columns);
                }
            }
            printf("{\"type\": \"%s\", \"kind\": \"%s\", \"worst\": %g}\n", k->name, kinds[j], worst < INFINITY ? worst : 1e9);
        }
        for (int threads = 1; threads <= MOST_THREADS; threads += 2) {
            double most = 0;
            for (int columns = 1; columns <= MOST_COLUMNS; columns++) {
                most = fmax(most, product_differs(k, MOST_ROWS, columns, threads));
                most = fmax(most, product_differs(k, MANY_ROWS, columns, threads));
            }
            printf("{\"type\": \"%s\", \"kind\": \"by %d threads\", \"worst\": %g}\n", k->name, threads, most);
        }
    }
    for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]) - 1; j++) {
        srand(1);
        printf("{\"type\": \"rounding\", \"kind\": \"%s\", \"worst\": %d}\n", kinds[j], rounding_differs(kinds[j]));
    }
    check_attention();
    return 0;
}
