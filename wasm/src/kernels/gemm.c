// Weights times many columns of activations. A panel of eight rows is unpacked once and meets all columns, four at a
// time; lanes are rows, so nothing is summed over lanes. Relaxed builds multiply bytes, plain ones 16-bit integers.
#include "panel.h"

#ifdef __wasm_relaxed_simd__
#define MOST_COLUMNS 256
#else
#define MOST_COLUMNS 64  // their 16-bit copies should stay in the first-level cache
#endif

#define TILE_COLUMNS 4

typedef struct {
#ifdef __wasm_relaxed_simd__
    uint8_t q[PANEL_VALUES / 4][PANEL_ROWS][4];
    uint8_t last[PANEL_VALUES / 4][PANEL_ROWS][4];  // the lowest bits of a wide type; q has the others
#else
    int16_t q[PANEL_VALUES / 2][PANEL_ROWS][2];
#endif
    float scale[MOST_GROUPS][PANEL_ROWS];
    float min[MOST_GROUPS][PANEL_ROWS];
} panel;

// PANEL_VALUES of each of a tile's columns, beside each other: one address serves all four.
typedef struct {
    float d[PANEL_VALUES / QK8_0][TILE_COLUMNS];   // of each Q8_0 block, or of the one Q8_K block
    float minus_sum[MOST_GROUPS][TILE_COLUMNS];    // of the group's values, for the minima
#ifdef __wasm_relaxed_simd__
    int32_t offset[MOST_GROUPS][TILE_COLUMNS];     // -bias times that sum
    int8_t q[PANEL_VALUES / 4][TILE_COLUMNS][4];
#else
    int16_t q[PANEL_VALUES / 2][TILE_COLUMNS][2];
#endif
} tile_columns;

INLINE void transpose4(const v128_t r[4], v128_t out[4]) {
    const v128_t a = wasm_i32x4_shuffle(r[0], r[1], 0, 4, 1, 5), b = wasm_i32x4_shuffle(r[2], r[3], 0, 4, 1, 5);
    const v128_t c = wasm_i32x4_shuffle(r[0], r[1], 2, 6, 3, 7), d = wasm_i32x4_shuffle(r[2], r[3], 2, 6, 3, 7);
    out[0] = wasm_i64x2_shuffle(a, b, 0, 2);
    out[1] = wasm_i64x2_shuffle(a, b, 1, 3);
    out[2] = wasm_i64x2_shuffle(c, d, 0, 2);
    out[3] = wasm_i64x2_shuffle(c, d, 1, 3);
}

// v: four values of each of four rows from `row` on; k: the first value's place.
INLINE void place(const panel_type * type, panel * p, int k, int row, v128_t v) {
#ifdef __wasm_relaxed_simd__
    if (type->wide) {
        wasm_v128_store(p->last[k / 4][row], wasm_v128_and(v, wasm_i8x16_splat(1)));
        v = wasm_v128_and(wasm_u16x8_shr(v, 1), wasm_i8x16_splat(0x7F));
    }
    wasm_v128_store(p->q[k / 4][row], v);
#else
    const v128_t bias = wasm_i16x8_splat(type->bias);
    v = wasm_i8x16_shuffle(v, v, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    wasm_v128_store(p->q[k / 2][row], wasm_i16x8_sub(wasm_u16x8_extend_low_u8x16(v), bias));
    wasm_v128_store(p->q[k / 2 + 1][row], wasm_i16x8_sub(wasm_u16x8_extend_high_u8x16(v), bias));
#endif
}

// x: the blocks of the first row; rows: of those to come, at most eight count; the others are zero.
static void make_panel(const panel_type * type, panel * p, const char * x, size_t x_stride, int rows, int groups) {
    unpacked_row unpacked[PANEL_ROWS];
    for (int r = 0; r < PANEL_ROWS; r++) {
        if (r < rows) {
            lilm_unpack(type, x + r * x_stride, groups, unpacked + r);
        } else {
            memset(unpacked + r, 0, sizeof(unpacked[r]));
        }
        for (int g = 0; g < groups; g++) {
            p->scale[g][r] = unpacked[r].scale[g];
            p->min[g][r] = unpacked[r].min[g];
        }
    }
    for (int k = 0; k < groups * type->group; k += 16) {
        for (int row = 0; row < PANEL_ROWS; row += 4) {
            v128_t in[4], out[4];
            UNROLL for (int r = 0; r < 4; r++) in[r] = wasm_v128_load(unpacked[row + r].q + k);
            transpose4(in, out);
            UNROLL for (int j = 0; j < 4; j++) place(type, p, k + 4 * j, row, out[j]);
        }
    }
}

// Group g of a column, whose blocks begin at y: its values; its scale and their sum into t, as column j.
static const int8_t * make_group(const panel_type * type, tile_columns * t, int j, const char * y, int g) {
    const int8_t * q;
    int sum = 0;
    if (type->block_values == QK8_0) {
        const block_q8_0 * b = (const block_q8_0 *) y + g;
        const v128_t ones = wasm_i8x16_splat(1);
        t->d[g][j] = f16_scalar(b->d);
        q = b->qs;
        sum = sum4_i32(dot_u7(ones, wasm_v128_load(q + 16), dot_u7(ones, wasm_v128_load(q), wasm_i32x4_splat(0))));
    } else {
        const block_q8_K * b = (const block_q8_K *) y;
        t->d[0][j] = b->d;
        q = b->qs + g * type->group;
        for (int i = 0; i < type->group / 16; i++) sum += b->bsums[g * type->group / 16 + i];
    }
    t->minus_sum[g][j] = (float) -sum;
#ifdef __wasm_relaxed_simd__
    t->offset[g][j] = -type->bias * sum;
#endif
    return q;
}

// y: the first column's blocks from here on; columns: of those to come, at most four count; the others are zero.
static void make_columns(const panel_type * type, tile_columns * t, const char * y, size_t y_stride, int columns,
                         int groups) {
    if (columns < TILE_COLUMNS) memset(t, 0, sizeof(*t));
    for (int g = 0; g < groups; g++) {
        const int8_t * q[TILE_COLUMNS];
        for (int j = 0; j < columns && j < TILE_COLUMNS; j++) q[j] = make_group(type, t, j, y + j * y_stride, g);
#ifdef __wasm_relaxed_simd__
        const int step = 16;
#else
        const int step = 8;
#endif
        for (int k = 0; k < type->group; k += step) {
            v128_t in[TILE_COLUMNS], out[TILE_COLUMNS];
            UNROLL for (int j = 0; j < TILE_COLUMNS; j++) {
#ifdef __wasm_relaxed_simd__
                in[j] = j < columns ? wasm_v128_load(q[j] + k) : wasm_i32x4_splat(0);
#else
                in[j] = j < columns ? wasm_i16x8_load8x8(q[j] + k) : wasm_i32x4_splat(0);
#endif
            }
            transpose4(in, out);
            UNROLL for (int i = 0; i < 4; i++) wasm_v128_store(t->q[(g * type->group + k) / (step / 4) + i], out[i]);
        }
    }
}

// The sums of one group: 4 * vectors rows from p's `row` on by `columns` columns from t's `first` on. The sizes are
// constants.
INLINE void group_sums(const int vectors, const int columns, const int group, const int wide, const panel * p, int row,
                       int g, const tile_columns * t, int first, v128_t sums[2][TILE_COLUMNS]) {
#ifdef __wasm_relaxed_simd__
    v128_t last[2][TILE_COLUMNS];
    UNROLL for (int v = 0; v < vectors; v++) {
        UNROLL for (int j = 0; j < columns; j++) {
            last[v][j] = wasm_v128_load32_splat(t->offset[g] + first + j);
            sums[v][j] = wide ? wasm_i32x4_splat(0) : last[v][j];
        }
    }
    const v128_t * q = (const v128_t *) p->q[g * (group / 4)][row];
    const int32_t * values = (const int32_t *) t->q[g * (group / 4)][first];
    const v128_t * lowest = (const v128_t *) p->last[g * (group / 4)][row];
    NO_UNROLL for (int k = 0; k < group / 4; k++) {
        UNROLL for (int j = 0; j < columns; j++) {
            const v128_t y = wasm_v128_load32_splat(values + k * TILE_COLUMNS + j);
            UNROLL for (int v = 0; v < vectors; v++) {
                sums[v][j] = dot_u7(q[2 * k + v], y, sums[v][j]);
                if (wide) last[v][j] = dot_u7(lowest[2 * k + v], y, last[v][j]);
            }
        }
    }
    UNROLL for (int v = 0; v < vectors && wide; v++) {
        UNROLL for (int j = 0; j < columns; j++) {
            sums[v][j] = wasm_i32x4_add(wasm_i32x4_shl(sums[v][j], 1), last[v][j]);
        }
    }
#else
    (void) wide;
    UNROLL for (int v = 0; v < vectors; v++) {
        UNROLL for (int j = 0; j < columns; j++) sums[v][j] = wasm_i32x4_splat(0);
    }
    const v128_t * q = (const v128_t *) p->q[g * (group / 2)][row];
    const int32_t * values = (const int32_t *) t->q[g * (group / 2)][first];
    NO_UNROLL for (int k = 0; k < group / 2; k++) {
        UNROLL for (int j = 0; j < columns; j++) {
            const v128_t y = wasm_v128_load32_splat(values + k * TILE_COLUMNS + j);
            UNROLL for (int v = 0; v < vectors; v++) {
                sums[v][j] = wasm_i32x4_add(sums[v][j], wasm_i32x4_dot_i16x8(q[2 * k + v], y));
            }
        }
    }
#endif
}

// A tile: 4 * vectors rows by `columns` columns, added to out[column * PANEL_ROWS + row].
INLINE void tile(const int vectors, const int columns, const int group, const int wide, const int has_min,
                 const int of_q8_0, const panel * p, int row, int groups, const tile_columns * t, int first,
                 v128_t totals[2][TILE_COLUMNS]) {
    UNROLL for (int v = 0; v < vectors; v++) {
        UNROLL for (int j = 0; j < columns; j++) totals[v][j] = wasm_f32x4_splat(0);
    }
    for (int g = 0; g < groups; g++) {
        v128_t sums[2][TILE_COLUMNS];
        group_sums(vectors, columns, group, wide, p, row, g, t, first, sums);
        UNROLL for (int v = 0; v < vectors; v++) {
            const v128_t scale = wasm_v128_load(p->scale[g] + row + 4 * v);
            UNROLL for (int j = 0; j < columns; j++) {
                const v128_t d = of_q8_0 ? wasm_f32x4_mul(scale, wasm_v128_load32_splat(t->d[g] + first + j)) : scale;
                totals[v][j] = fma4(wasm_f32x4_convert_i32x4(sums[v][j]), d, totals[v][j]);
                if (has_min) {
                    const v128_t min = wasm_v128_load(p->min[g] + row + 4 * v);
                    totals[v][j] = fma4(min, wasm_v128_load32_splat(t->minus_sum[g] + first + j), totals[v][j]);
                }
            }
        }
    }
    UNROLL for (int v = 0; v < vectors && !of_q8_0; v++) {
        UNROLL for (int j = 0; j < columns; j++) {
            totals[v][j] = wasm_f32x4_mul(totals[v][j], wasm_v128_load32_splat(t->d[0] + first + j));
        }
    }
}

// out[column][row]: all of a panel's rows by one or four columns.
INLINE void panel_times(const int columns, const panel_type * type, const panel * p, int groups, const tile_columns * t,
                        int first, float out[TILE_COLUMNS][PANEL_ROWS]) {
    v128_t totals[2][TILE_COLUMNS];
#define STORE(vectors, row)                                                                        \
    UNROLL for (int v = 0; v < (vectors); v++) {                                                   \
        UNROLL for (int j = 0; j < columns; j++) wasm_v128_store(out[j] + (row) + 4 * v, totals[v][j]); \
    }
    if (type->wide) {
        for (int row = 0; row < PANEL_ROWS; row += 4) {  // both planes of eight rows would not fit into registers
            tile(1, columns, 32, 1, 0, 1, p, row, groups, t, first, totals);
            STORE(1, row)
        }
        return;
    }
    if (type->has_min) {
        tile(2, columns, 32, 0, 1, 0, p, 0, groups, t, first, totals);
    } else if (type->group == 16) {
        tile(2, columns, 16, 0, 0, 0, p, 0, groups, t, first, totals);
    } else {
        tile(2, columns, 32, 0, 0, 1, p, 0, groups, t, first, totals);
    }
    STORE(2, 0)
#undef STORE
}

// rows: of the panel that exist. first: dst holds nothing yet.
static void add(const float * part, float * dst, int rows, int first) {
    if (rows == PANEL_ROWS) {
        for (int r = 0; r < PANEL_ROWS; r += 4) {
            const v128_t old = first ? wasm_f32x4_splat(0) : wasm_v128_load(dst + r);
            wasm_v128_store(dst + r, wasm_f32x4_add(old, wasm_v128_load(part + r)));
        }
    } else {
        for (int r = 0; r < rows; r++) dst[r] = (first ? 0 : dst[r]) + part[r];
    }
}

void lilm_gemm(const panel_type * type, int n, const char * x, size_t x_stride, int row0, int row1, const char * y,
               size_t y_stride, int columns, float * dst, size_t dst_stride) {
    tile_columns t[MOST_COLUMNS / TILE_COLUMNS];
    panel p;
    float part[TILE_COLUMNS][PANEL_ROWS];
    const size_t y_block = type->block_values == QK8_0 ? sizeof(block_q8_0) : sizeof(block_q8_K);
    for (int c0 = 0; c0 < columns; c0 += MOST_COLUMNS) {
        const int n_columns = columns - c0 < MOST_COLUMNS ? columns - c0 : MOST_COLUMNS;
        for (int k = 0; k < n; k += PANEL_VALUES) {
            const int groups = (n - k < PANEL_VALUES ? n - k : PANEL_VALUES) / type->group;
            const size_t block = k / type->block_values;
            for (int j = 0; j < n_columns; j += TILE_COLUMNS) {
                const char * blocks = y + (c0 + j) * y_stride + block * y_block;
                make_columns(type, t + j / TILE_COLUMNS, blocks, y_stride, n_columns - j, groups);
            }
            for (int row = row0; row < row1; row += PANEL_ROWS) {
                const int rows = row1 - row < PANEL_ROWS ? row1 - row : PANEL_ROWS;
                if (k == 0) stream_in(x + row * x_stride, rows * x_stride);
                make_panel(type, &p, x + row * x_stride + block * type->block_bytes, x_stride, rows, groups);
                int j = 0;
                for (; j + TILE_COLUMNS <= n_columns; j += TILE_COLUMNS) {
                    panel_times(TILE_COLUMNS, type, &p, groups, t + j / TILE_COLUMNS, 0, part);
                    for (int i = 0; i < TILE_COLUMNS; i++) {
                        add(part[i], dst + (c0 + j + i) * dst_stride + row, rows, k == 0);
                    }
                }
                for (; j < n_columns; j++) {
                    panel_times(1, type, &p, groups, t + j / TILE_COLUMNS, j % TILE_COLUMNS, part);
                    add(part[0], dst + (c0 + j) * dst_stride + row, rows, k == 0);
                }
            }
        }
    }
}
