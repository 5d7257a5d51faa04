// What llama.cpp uses of the C++ library and WASI's has not: threads (there is one) and folders (none is looked into).
// Put in front of the two files that want it.
#pragma once
#include <filesystem>
#include <system_error>
#include <utility>

namespace std {

struct mutex {
    void lock() {}
    void unlock() {}
};
template <class M> struct lock_guard {
    explicit lock_guard(M &) {}
};

enum class launch { async, deferred };
template <class T> struct future {
    T value;
    T get() { return std::move(value); }
};
template <class F> auto async(launch, F work) -> future<decltype(work())> { return { work() }; }

namespace filesystem {
inline bool exists(const path &, error_code & error) {
    error.clear();
    return false;
}
inline bool exists(const path &) { return false; }
inline path current_path(error_code & error) {
    error.clear();
    return path(".");
}
struct directory_entry {
    bool is_regular_file(error_code &) const { return false; }
    filesystem::path path() const { return {}; }
    operator filesystem::path() const { return {}; }
};
struct directory_iterator {
    directory_iterator() {}
    directory_iterator(const path &, directory_options, error_code & error) { error.clear(); }
    bool operator!=(const directory_iterator &) const { return false; }
    directory_entry operator*() const { return {}; }
    void increment(error_code &) {}
};
}  // namespace filesystem
}  // namespace std
