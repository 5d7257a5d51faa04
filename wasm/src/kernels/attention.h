// Attention over a KV cache of half floats, for few tokens at a time.
#pragma once

#include "ggml.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ggml_compute_params;

// This thread's share of FLASH_ATTN_EXT. Every thread calls it. False, with nothing done, when ggml's own code has to do it.
bool lilm_attention(const struct ggml_compute_params * params, struct ggml_tensor * dst);

#ifdef __cplusplus
}
#endif
