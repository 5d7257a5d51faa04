// clang 14's C++ code takes the exception context for a plain global, while Emscripten's threaded libunwind
// defines it thread-local: with threads no exception would ever be caught. This is libunwind's wasm part
// (src/Unwind-wasm.c) with the plain global; it serves as long as one thread at a time throws, which holds
// here, since the pool's threads run C only.
#if defined(__EMSCRIPTEN_PTHREADS__) && __clang_major__ < 15

#include <stdint.h>
#include <unwind.h>

struct landing_pad_context {
    uintptr_t lpad_index;
    uintptr_t lsda;
    uintptr_t selector;
} __wasm_lpad_context;

_Unwind_Reason_Code __gxx_personality_wasm0(int version, _Unwind_Action actions, uint64_t exception_class,
                                            struct _Unwind_Exception * exception, struct _Unwind_Context * context);

_Unwind_Reason_Code _Unwind_CallPersonality(void * exception) {
    struct _Unwind_Exception * object = exception;
    __wasm_lpad_context.selector      = 0;
    return __gxx_personality_wasm0(1, _UA_CLEANUP_PHASE, object->exception_class, object,
                                   (struct _Unwind_Context *) &__wasm_lpad_context);
}

_Unwind_Reason_Code _Unwind_RaiseException(struct _Unwind_Exception * exception) { __builtin_wasm_throw(0, exception); }

void _Unwind_DeleteException(struct _Unwind_Exception * exception) {
    if (exception->exception_cleanup) {
        exception->exception_cleanup(_URC_FOREIGN_EXCEPTION_CAUGHT, exception);
    }
}

void _Unwind_SetGR(struct _Unwind_Context * context, int index, _Unwind_Word value) {
    if (index == 1) {
        ((struct landing_pad_context *) context)->selector = value;
    }
}

// A one-based index that the personality function decrements.
_Unwind_Word _Unwind_GetIP(struct _Unwind_Context * context) {
    return ((struct landing_pad_context *) context)->lpad_index + 2;
}

void * _Unwind_GetLanguageSpecificData(struct _Unwind_Context * context) {
    return (void *) ((struct landing_pad_context *) context)->lsda;
}

// Not used in wasm.
void         _Unwind_SetIP(struct _Unwind_Context * context, _Unwind_Word value) { (void) context, (void) value; }
_Unwind_Ptr  _Unwind_GetRegionStart(struct _Unwind_Context * context) { return (void) context, 0; }

#endif
