// How long ggml takes for a matrix of each type times a vector and times many: one line of JSON a measurement. The same
// program natively and in wasm, on one thread; the types in turn, round after round, so that a busy machine slows all.
// types ROUNDS WEIGHTS COLUMNS TYPE,TYPE,… ROW_LENGTHxROWS …
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-cpu.h"
#include "ggml.h"

enum { MOST_TYPES = 32, MADE_ROWS = 32 };
#define SHORTEST 1e-3  // seconds of one measurement; a longer one is more often interrupted

typedef struct {
    const char * name;
    struct ggml_context * all;
    struct ggml_cgraph * graphs[2];  // of one column by all matrices, and of many by the first
    struct ggml_cplan plans[2];
    double weights[2];
} cell;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static float noise(void) { return rand() / (float) RAND_MAX - 0.5f; }

static enum ggml_type find_type(const char * name) {
    for (int i = 0; i < GGML_TYPE_COUNT; i++) {
        const char * known = ggml_type_name((enum ggml_type) i);
        if (known == NULL || strlen(known) != strlen(name)) continue;
        size_t same = 0;
        while (name[same] && (name[same] | 32) == (known[same] | 32)) same++;
        if (!name[same]) return (enum ggml_type) i;
    }
    fprintf(stderr, "no type %s\n", name);
    exit(1);
}

static struct ggml_tensor * filled(struct ggml_context * all, int64_t n, int64_t columns) {
    struct ggml_tensor * x = ggml_new_tensor_2d(all, GGML_TYPE_F32, n, columns);
    for (int64_t i = 0; i < n * columns; i++) ((float *) x->data)[i] = noise();
    return x;
}

// So many matrices that they have `weights` together and no small cache holds them, as those of a model. Many columns
// take no more time than the kernel does, so that one matrix tells. Rows repeat: no kernel looks at the values.
static void make(cell * c, const char * name, int64_t n, int64_t rows, double weights, int columns) {
    const enum ggml_type type = find_type(name);
    const size_t row = ggml_row_size(type, n), made = MADE_ROWS * row;
    const int copies = (int) (weights / (n * rows) + 0.999);
    const size_t room = copies * (rows * row + rows * 4 + 4096) + (n + rows) * 4 * (columns + 1) + (4 << 20);
    c->name = name;
    c->weights[0] = (double) copies * n * rows;
    c->weights[1] = (double) n * rows;
    c->all = ggml_init((struct ggml_init_params) {.mem_size = room});
    float * values = malloc(MADE_ROWS * n * sizeof(float));
    char * blocks = malloc(made);
    if (c->all == NULL || values == NULL || blocks == NULL) {
        fprintf(stderr, "no memory for %s\n", name);
        exit(1);
    }
    for (int64_t i = 0; i < MADE_ROWS * n; i++) values[i] = noise();
    ggml_quantize_chunk(type, values, blocks, 0, MADE_ROWS, n, NULL);
    struct ggml_tensor * inputs[] = {filled(c->all, n, 1), filled(c->all, n, columns)};
    for (int i = 0; i < 2; i++) c->graphs[i] = ggml_new_graph_custom(c->all, copies + 8, false);
    for (int copy = 0; copy < copies; copy++) {
        struct ggml_tensor * matrix = ggml_new_tensor_2d(c->all, type, n, rows);
        for (int64_t at = 0; at < rows; at += MADE_ROWS) {
            memcpy((char *) matrix->data + at * row, blocks, (rows - at < MADE_ROWS ? rows - at : MADE_ROWS) * row);
        }
        for (int i = 0; i < (copy ? 1 : 2); i++) {
            ggml_build_forward_expand(c->graphs[i], ggml_mul_mat(c->all, matrix, inputs[i]));
        }
    }
    for (int i = 0; i < 2; i++) {
        c->plans[i] = ggml_graph_plan(c->graphs[i], 1, NULL);
        c->plans[i].work_data = malloc(c->plans[i].work_size + 64);
    }
    free(values);
    free(blocks);
}

static double seconds(cell * c, int which) {
    const double start = now();
    double end = start;
    int times = 0;
    for (; end - start < SHORTEST; end = now(), times++) ggml_graph_compute(c->graphs[which], &c->plans[which]);
    return (end - start) / times / c->weights[which];
}

int main(int argc, char ** argv) {
    if (argc < 6) return 2;
    const int rounds = atoi(argv[1]), columns = atoi(argv[3]);
    const double weights = atof(argv[2]);
    char * names[MOST_TYPES];
    int n_types = 0;
    for (char * one = strtok(argv[4], ","); one && n_types < MOST_TYPES; one = strtok(NULL, ",")) names[n_types++] = one;
    ggml_cpu_init();
    srand(1);
    for (int shape = 5; shape < argc; shape++) {
        static cell cells[MOST_TYPES];
        int n_cells = 0, n = 0, rows = 0;
        if (sscanf(argv[shape], "%dx%d", &n, &rows) != 2) return 2;
        for (int i = 0; i < n_types; i++) {
            if (n % ggml_blck_size(find_type(names[i])) == 0) make(&cells[n_cells++], names[i], n, rows, weights, columns);
        }
        for (int round = 0; round <= rounds; round++) {  // the first one only warms up
            for (int i = 0; i < n_cells; i++) {
                const double decode = seconds(&cells[i], 0), prefill = seconds(&cells[i], 1) / columns;
                if (round == 0) continue;
                printf("{\"shape\": \"%s\", \"type\": \"%s\", \"decode\": %.6g, \"prefill\": %.6g}\n", argv[shape],
                       cells[i].name, decode, prefill);
            }
            fflush(stdout);
        }
        for (int i = 0; i < n_cells; i++) {
            for (int j = 0; j < 2; j++) free(cells[i].plans[j].work_data);
            ggml_free(cells[i].all);
        }
    }
    return 0;
}
