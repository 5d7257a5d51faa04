// The protocol between llama.cpp (C) and engine.mjs (JavaScript), declared here once.
//
// One model per module instance. All calls come from the thread that created the instance.
// A function that can fail answers a negative number and leaves a sentence in lilm_error() and one of
// errors.mjs's kinds in lilm_error_kind(). Texts are UTF-8 without a terminating zero unless they are
// `const char *`; byte counts and file offsets are doubles, since JavaScript has no 64-bit int but BigInt, by which
// pointers go where memory has 64-bit addresses.
#pragma once

#include <stdint.h>

#define LILM_PROTOCOL 5

#ifdef __cplusplus
extern "C" {
#endif

int32_t lilm_protocol(void);

const char * lilm_error(void);
const char * lilm_error_kind(void);
// llama.cpp's complaints so far, a line each: what to look at after a trap.
const char * lilm_log(void);

// Load from Module.lilmRead(file, offset, Uint8Array) -> bytes read or -1: file 0, the model, of `file_bytes`, and
// where `adapter_bytes` are not 0 file 1, an adapter (LoRA) that is used over it.
// Module.lilmLoaded(fraction) -> bool is asked now and then; false ends the loading ("aborted").
// n_ctx 0 means what the model was trained with, which is also the most it gets. kv_type: ggml_type of keys and
// values. Answers 0.
// lilm_watch(1) before it: Module.lilmWatched(Float32Array) is then given every step's result, and lilm_text() says its
// name, its operation and, of a product, the weights' type and name, with tabs between.
void    lilm_watch(int32_t on);
int32_t lilm_load(double file_bytes, double adapter_bytes, int32_t n_ctx, int32_t n_batch, int32_t n_threads,
                  int32_t kv_type);
void    lilm_free(void);

// JSON object about the loaded model: model, parameters, model_bytes, n_ctx, n_batch, threads, n_vocab,
// has_chat_template, metadata. Valid until the next call that answers text.
const char * lilm_info(void);

// How many of the threads that lilm_load() got evaluate single tokens from now on; answers how many they are.
int32_t lilm_set_threads(int32_t n);
// Evaluate a token and forget it: for measuring.
int32_t lilm_try_token(void);

int32_t lilm_n_ctx_used(void);
double  lilm_heap_top(void);  // highest heap address handed out so far: what the memory must hold

// Answers the number of tokens, at lilm_tokens() until the next call of these two.
int32_t   lilm_tokenize(const char * text, int32_t n_bytes, int32_t add_special, int32_t parse_special);
// Messages: JSON [{"role", "content"}]. Renders the GGUF's own template with the generation prompt. In messages no
// special token is looked for.
int32_t   lilm_tokenize_chat(const char * messages_json, int32_t n_bytes);
int32_t * lilm_tokens(void);

// The bytes of a token (none for special tokens); answers their count, bytes at lilm_text().
int32_t      lilm_piece(int32_t token);
const char * lilm_text(void);
int32_t      lilm_is_end(int32_t token);

// Take the `n` tokens as the context, keeping what is already evaluated of the same beginning.
// Answers how many were kept (at most n - 1); the rest is evaluated by lilm_prefill().
int32_t lilm_prompt(const int32_t * tokens, int32_t n);
// Evaluate the next n_batch waiting tokens; answers how many still wait.
int32_t lilm_prefill(void);

// llama.cpp's chain: penalties, top_k, top_p, min_p, temperature, draw; temperature 0: the highest logit.
// Call after lilm_prompt(): penalties look at the prompt's tokens too.
int32_t lilm_sampler(float temperature, int32_t top_k, float top_p, float min_p, float repeat_penalty,
                     int32_t repeat_last_n, double seed);
// Draw the next token, one whose bytes go on as UTF-8: the others' logits are taken away, also from lilm_logits().
// lilm_gap(): difference of the two highest logits that are left, before the chain.
int32_t lilm_sample(void);
float   lilm_gap(void);
// n_vocab values for what comes after the last evaluated token; null before the first. Valid until the next evaluation.
const float * lilm_logits(void);
// Evaluate one token; -1 with kind "context_full" when there is no room.
int32_t lilm_decode(int32_t token);

// The last layer's vectors pooled as the model says (or their mean), of length 1; answers its size, values at lilm_embedding() until the
// next call. -1 with kind "context_full" when the text is longer than the context, which it leaves as it is.
int32_t       lilm_embed(const int32_t * tokens, int32_t n);
const float * lilm_embedding(void);

// Address of a number; anything but zero ends the evaluation under way with kind "aborted".
int32_t * lilm_abort_flag(void);

#ifdef __cplusplus
}
#endif
