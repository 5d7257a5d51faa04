// The graph's steps, watched.
#pragma once

struct ggml_tensor;

namespace lilm {

extern bool watching;  // the context that is made next
bool watch(ggml_tensor * tensor, bool ask, void *);  // llama.cpp's cb_eval

}  // namespace lilm
