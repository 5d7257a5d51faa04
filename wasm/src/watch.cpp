// What each step of the graph comes to, shown to JavaScript: to find where a build begins to compute something else.
#include "watch.h"

#include "ggml.h"
#include "state.h"

EM_JS(void, js_watched, (double address, double n), {
    Module['lilmWatched'](new Float32Array(wasmMemory.buffer, address, n));
});

namespace lilm {

bool watching = false;

bool watch(ggml_tensor * tensor, bool ask, void *) {
    const bool is_value = tensor->type == GGML_TYPE_F32 && ggml_is_contiguous(tensor);
    if (ask || !is_value) {
        return is_value;
    }
    text = std::string(tensor->name) + "\t" + ggml_op_desc(tensor) + "\t";
    if (tensor->op == GGML_OP_MUL_MAT) {
        text += std::string(ggml_type_name(tensor->src[0]->type)) + " " + tensor->src[0]->name;
    }
    js_watched((double) (uintptr_t) tensor->data, (double) ggml_nelements(tensor));
    return true;
}

}  // namespace lilm

using namespace lilm;

EXPORT void lilm_watch(int32_t on) { watching = on != 0; }
