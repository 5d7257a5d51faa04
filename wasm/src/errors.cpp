// Failures, llama.cpp's log, and how JavaScript learns of both.
#include "state.h"

#include <cstring>
#include <mutex>
#include <new>

namespace lilm {

namespace {

std::string  error_text;
const char * error_kind = "internal";
int32_t      abort_flag = 0;
std::mutex   log_mutex;
std::string  log_errors;  // llama.cpp's threads write it, so it is only touched with the lock
std::string  log_shown;   // answer of lilm_log

void on_log(ggml_log_level level, const char * line, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        std::lock_guard<std::mutex> lock(log_mutex);
        log_errors += line;
    }
}

std::string log_so_far() {
    std::lock_guard<std::mutex> lock(log_mutex);
    return log_errors;
}

// The first error line is the cause; the later ones only say that loading failed.
std::string cause_in(const std::string & log) {
    std::string line = log.substr(0, log.find('\n'));
    for (const char * prefix : { "error loading model: ", "tensor_info: ", "_impl: ", ": " }) {
        const size_t at = line.find(prefix);
        if (at != std::string::npos) {
            return line.substr(at + strlen(prefix));
        }
    }
    return line;
}

}  // namespace

void listen() { llama_log_set(on_log, nullptr); }

void forget_log() {
    std::lock_guard<std::mutex> lock(log_mutex);
    log_errors.clear();
}

void fail_from_log(const char * doing, bool past_end) {
    const std::string log     = log_so_far();
    const std::string cause   = cause_in(log);
    const char *      kind    = "internal";
    const auto        log_has = [&](const char * part) { return log.find(part) != std::string::npos; };
    // "failed to read" as the first complaint: nothing was wrong with what was there.
    if (past_end || cause.compare(0, 14, "failed to read") == 0 || log_has("file bounds") || log_has("end of file") || log_has("remaining file size")) {
        kind = "truncated";
    } else if (log_has("failed to apply lora adapter")) {
        kind = "wrong_adapter";
    } else if (log_has("failed to allocate") || log_has("unable to allocate") || log_has("insufficient memory")) {
        kind = "out_of_memory";
    } else if (log_has("unknown model architecture") || log_has("GGUFv1") || log_has("only supports up to version") ||
               log_has("unknown pre-tokenizer") || log_has("unknown tokenizer")) {
        kind = "unsupported";
    } else if (log_has("gguf_") || log_has("has offset") || log_has("error loading model")) {
        kind = "not_a_gguf";
    }
    throw Failure(kind, std::string(doing) + (cause.empty() ? "" : ": " + cause));
}

int32_t guarded(const std::function<int32_t()> & work) {
    try {
        return work();
    } catch (const Failure & failure) {
        error_kind = failure.kind;
        error_text = failure.sentence;
    } catch (const std::bad_alloc &) {
        error_kind = "out_of_memory";
        error_text = "the memory is used up";
    } catch (const std::exception & other) {
        error_kind = "internal";
        error_text = other.what();
    }
    return -1;
}

bool asked_to_stop(void *) { return __atomic_load_n(&abort_flag, __ATOMIC_RELAXED) != 0; }

}  // namespace lilm

EXPORT const char * lilm_error(void) { return lilm::error_text.c_str(); }
EXPORT const char * lilm_error_kind(void) { return lilm::error_kind; }
EXPORT const char * lilm_log(void) {
    lilm::log_shown = lilm::log_so_far();
    return lilm::log_shown.c_str();
}
EXPORT int32_t * lilm_abort_flag(void) { return &lilm::abort_flag; }
