#include <algorithm>

#include "bindings.h"
#include "from_python.h"
#include "substrings.h"

namespace py = pybind11;
using namespace dedup;

namespace {

Shape checked(size_t size, size_t window) {
    if (size == 0 || window == 0 || window > size) throw py::value_error("size must be 1 or more, window 1 to size");
    return {size, window};
}

Frequent frequent_of(const py::object &object) {
    const auto array = array_of<uint64_t>(object, 2, "frequent");
    if (array.shape(0) != 2) throw py::value_error("frequent must have two rows");
    const auto count = static_cast<size_t>(array.shape(1));
    const uint64_t *data = array.data();
    Frequent frequent(count);
    for (size_t i = 0; i < count; ++i) frequent.emplace(data[i], data[count + i]);
    return frequent;
}

// What is in `hashes` from `first` on, each once.
void keep_different(std::vector<uint64_t> &hashes, size_t first) {
    std::sort(hashes.begin() + first, hashes.end());
    hashes.erase(std::unique(hashes.begin() + first, hashes.end()), hashes.end());
}

py::array_t<uint64_t> fingerprints(const py::object &sequence, size_t size, size_t window) {
    const Shape shape = checked(size, window);
    const Texts texts(sequence);
    std::vector<uint64_t> hashes;
    {
        const py::gil_scoped_release release;
        Grams grams(shape);
        for (const Text &text : texts.views) {
            const size_t first = hashes.size();
            grams.fill(text);
            for (const size_t place : grams.picked()) hashes.push_back(grams[place]);
            keep_different(hashes, first);
        }
    }
    return as_array(hashes);
}

py::array_t<uint64_t> grams_near(const py::object &sequence, size_t size, size_t window, const py::object &often) {
    const Shape shape = checked(size, window);
    const Texts texts(sequence);
    const Frequent frequent = frequent_of(often);
    std::vector<uint64_t> hashes;
    {
        const py::gil_scoped_release release;
        Grams grams(shape);
        for (const Text &text : texts.views) {
            const size_t first = hashes.size(), count = grams.fill(text);
            for (const Span &span : spans_of(grams, count, grams.picked(), window, frequent)) {
                for (size_t place = span.start; place < span.stop; ++place) hashes.push_back(grams[place]);
            }
            keep_different(hashes, first);
        }
    }
    return as_array(hashes);
}

py::array_t<uint64_t> shared_runs(const py::object &sequence, size_t size, size_t window, const py::object &often,
                                  const py::object &around) {
    const Shape shape = checked(size, window);
    const Texts texts(sequence);
    const Frequent frequent = frequent_of(often), shared = frequent_of(around);
    std::vector<uint64_t> found;
    {
        const py::gil_scoped_release release;
        Grams grams(shape);
        for (size_t index = 0; index < texts.views.size(); ++index) {
            const size_t count = grams.fill(texts.views[index]);
            size_t free = 0;  // what lies before is in a run already
            for (const Span &span : spans_of(grams, count, grams.picked(), window, frequent)) {
                for (size_t place = span.start; place < span.stop; ++place) {
                    uint64_t least = UINT64_MAX;  // texts
                    size_t stop = place;
                    for (; stop < span.stop; ++stop) {
                        const auto one = shared.find(grams[stop]);
                        if (one == shared.end()) break;
                        least = std::min(least, one->second);
                    }
                    if (stop - place >= window) {
                        found.insert(found.end(), {index, std::max(place, free), stop + size - 1, least});
                        free = stop + size - 1;
                    }
                    place = stop;
                }
            }
        }
    }
    py::array_t<uint64_t> runs({found.size() / 4, size_t(4)});
    std::copy(found.begin(), found.end(), runs.mutable_data());
    return runs;
}

}  // namespace

void bind_substrings(py::module_ &module) {
    module.def("fingerprints", &fingerprints, py::arg("texts"), py::arg("size"), py::arg("window"),
               "Hashes of the picked grams, the different ones of each text, text after text.");
    module.def("grams_near", &grams_near, py::arg("texts"), py::arg("size"), py::arg("window"), py::arg("frequent"),
               "Hashes of the grams around the frequent ones of those picked, different in each text.");
    module.def("shared_runs", &shared_runs, py::arg("texts"), py::arg("size"), py::arg("window"), py::arg("frequent"),
               py::arg("shared"), "Runs of size + window - 1 characters and more, [runs, 4]: text, from, to, texts.");
}
