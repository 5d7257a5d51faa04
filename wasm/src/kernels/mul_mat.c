// The hook that ggml's mul_mat calls once the activations are bytes: picks the kernel, shares rows among threads.
#include "mul_mat.h"

#include "ggml-cpu-impl.h"
#include "panel.h"
#include "rows.h"

#define FEW_COLUMNS 5  // fewer do not pay for the unpacking of a panel
#define STREAMED_BYTES 16384  // of weights at a time; they stay in the first-level cache

static const panel_type * find_type(enum ggml_type type) {
    switch (type) {
        case GGML_TYPE_Q4_0: return &lilm_q4_0;
        case GGML_TYPE_Q5_0: return &lilm_q5_0;
        case GGML_TYPE_Q8_0: return &lilm_q8_0;
        case GGML_TYPE_IQ4_NL: return &lilm_iq4_nl;
        case GGML_TYPE_Q3_K: return &lilm_q3_K;
        case GGML_TYPE_Q4_K: return &lilm_q4_K;
        case GGML_TYPE_Q5_K: return &lilm_q5_K;
        case GGML_TYPE_Q6_K: return &lilm_q6_K;
        default: return NULL;
    }
}

// Rows [row, end) by fours, of one type by one column; answers the first row left over.
#define BY_FOURS(type)                                                                       \
    for (; row + 4 <= end; row += 4) lilm_rows4_##type(n, out + row, x + row * bx, bx, y); \
    break

static int64_t by_fours(enum ggml_type type, int n, float * out, const char * x, size_t bx, int64_t row, int64_t end,
                        const char * y) {
    switch (type) {
        case GGML_TYPE_Q4_0: BY_FOURS(q4_0);
        case GGML_TYPE_Q5_0: BY_FOURS(q5_0);
        case GGML_TYPE_Q8_0: BY_FOURS(q8_0);
        case GGML_TYPE_IQ4_NL: BY_FOURS(iq4_nl);
        case GGML_TYPE_Q3_K: BY_FOURS(q3_K);
        case GGML_TYPE_Q4_K: BY_FOURS(q4_K);
        case GGML_TYPE_Q5_K: BY_FOURS(q5_K);
        case GGML_TYPE_Q6_K: BY_FOURS(q6_K);
        default: break;
    }
    return row;
}

bool lilm_mul_mat(const struct ggml_compute_params * params, struct ggml_tensor * dst) {
    const struct ggml_tensor * x = dst->src[0];
    const struct ggml_tensor * y = dst->src[1];
    const panel_type * type = find_type(x->type);
    if (type == NULL || y->type != GGML_TYPE_F32) return false;

    const int64_t n = x->ne[0], n_rows = x->ne[1], columns = y->ne[1];
    const size_t y_stride = ggml_row_size(ggml_get_type_traits_cpu(x->type)->vec_dot_type, n);
    const int64_t planes = y->ne[2] * y->ne[3];
    // Four pieces a thread, so that none waits long for the others; whole panels.
    const int64_t share = (n_rows * planes + 4 * params->nth - 1) / (4 * params->nth);
    const int64_t step = params->nth == 1 ? n_rows : MIN(n_rows, (share + PANEL_ROWS - 1) / PANEL_ROWS * PANEL_ROWS);
    const int64_t pieces = (n_rows + step - 1) / step;

    // ggml has set the counter of pieces: each thread begins with the one of its own number.
    for (int64_t piece = params->ith; piece < pieces * planes; piece = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        const int64_t plane = piece / pieces, row0 = piece % pieces * step, row1 = MIN(row0 + step, n_rows);
        const int64_t i2 = plane % y->ne[2], i3 = plane / y->ne[2];
        const char * weights = (const char *) x->data + i2 / (y->ne[2] / x->ne[2]) * x->nb[2] +
                               i3 / (y->ne[3] / x->ne[3]) * x->nb[3];
        const char * activations = (const char *) params->wdata + plane * columns * y_stride;
        float * out = (float *) ((char *) dst->data + i2 * dst->nb[2] + i3 * dst->nb[3]);
        const size_t stride = dst->nb[1] / sizeof(float);
        if (columns >= FEW_COLUMNS) {
            lilm_gemm(type, n, weights, x->nb[1], row0, row1, activations, y_stride, columns, out, stride);
            continue;
        }
        const int64_t some = MAX(4, STREAMED_BYTES / (int64_t) x->nb[1] & ~3);
        for (int64_t first = row0; first < row1; first += some) {
            const int64_t end = MIN(first + some, row1);
            // Q5_0's rows are read one after the other and multiplied for long enough: memory delivers meanwhile.
            if (x->type != GGML_TYPE_Q5_0) stream_in(weights + first * x->nb[1], (end - first) * x->nb[1]);
            for (int64_t c = 0; c < columns; c++) {
                const char * column = activations + c * y_stride;
                int64_t row = by_fours(x->type, n, out + c * stride, weights, x->nb[1], first, end, column);
                for (; row < end; row++) {
                    ggml_get_type_traits_cpu(x->type)->vec_dot(n, out + c * stride + row, 0, weights + row * x->nb[1], 0, column, 0, 1);
                }
            }
        }
    }
    return true;
}
