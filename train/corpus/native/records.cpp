#include <algorithm>
#include <array>
#include <queue>
#include <utility>

#include "bindings.h"
#include "from_python.h"
#include "union_find.h"

namespace py = pybind11;
using namespace dedup;

namespace {

constexpr size_t MAX_COLUMNS = 6;

// Calls act(std::integral_constant) with the number of columns.
template <size_t Columns = 1, typename Act>
void with_columns(py::ssize_t columns, Act &&act) {
    if constexpr (Columns <= MAX_COLUMNS) {
        if (columns == static_cast<py::ssize_t>(Columns)) {
            act(std::integral_constant<size_t, Columns>());
        } else {
            with_columns<Columns + 1>(columns, act);
        }
    } else {
        throw py::value_error("records have 1 to " + std::to_string(MAX_COLUMNS) + " columns");
    }
}

void sort_records(const py::object &object) {
    auto records = own_array_of<uint64_t>(object, 2, "records");
    with_columns(records.shape(1), [&](auto columns) {
        using Record = std::array<uint64_t, columns>;
        auto *first = reinterpret_cast<Record *>(records.mutable_data());
        const auto count = records.shape(0);
        const py::gil_scoped_release release;
        std::sort(first, first + count);
    });
}

void merge_records(const py::sequence &runs, const py::object &object) {
    auto merged = own_array_of<uint64_t>(object, 2, "merged");
    std::vector<py::array_t<uint64_t, py::array::c_style>> keep;
    py::ssize_t count = 0;
    for (const auto &run : runs) {
        keep.push_back(array_of<uint64_t>(py::reinterpret_borrow<py::object>(run), 2, "a run"));
        if (keep.back().shape(1) != merged.shape(1)) throw py::value_error("all runs must have the same columns");
        count += keep.back().shape(0);
    }
    if (count != merged.shape(0)) throw py::value_error("merged must have room for the runs, and no more");
    with_columns(merged.shape(1), [&](auto columns) {
        using Record = std::array<uint64_t, columns>;
        using Run = std::pair<const Record *, const Record *>;  // the next record, the end
        const auto later = [](const Run &a, const Run &b) { return *b.first < *a.first; };
        std::priority_queue<Run, std::vector<Run>, decltype(later)> waiting(later);
        for (const auto &run : keep) {
            const auto *first = reinterpret_cast<const Record *>(run.data());
            if (run.shape(0)) waiting.emplace(first, first + run.shape(0));
        }
        auto *out = reinterpret_cast<Record *>(merged.mutable_data());
        const py::gil_scoped_release release;
        while (!waiting.empty()) {
            Run run = waiting.top();
            waiting.pop();
            *out++ = *run.first++;
            if (run.first != run.second) waiting.push(run);
        }
    });
}

void join_pairs(const py::object &object, const py::object &pairs) {
    auto parents = own_array_of<uint64_t>(object, 1, "parents");
    const auto ends = array_of<uint64_t>(pairs, 2, "pairs");
    if (ends.shape(1) != 2) throw py::value_error("pairs must have two columns");
    const uint64_t *end = ends.data();
    for (py::ssize_t i = 0; i < ends.size(); ++i) {
        if (end[i] >= static_cast<uint64_t>(parents.size())) throw py::index_error("pairs have a number beyond parents");
    }
    UnionFind sets(parents.mutable_data());
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < ends.size(); i += 2) sets.join(end[i], end[i + 1]);
}

py::array_t<uint64_t> set_roots(const py::object &object, size_t first, size_t last) {
    auto parents = own_array_of<uint64_t>(object, 1, "parents");
    if (first > last || last > static_cast<size_t>(parents.size())) throw py::index_error("beyond parents");
    py::array_t<uint64_t> roots(static_cast<py::ssize_t>(last - first));
    uint64_t *out = roots.mutable_data();
    UnionFind sets(parents.mutable_data());
    for (size_t number = first; number < last; ++number) *out++ = sets.root(number);
    return roots;
}

}  // namespace

void bind_records(py::module_ &module) {
    module.def("sort_records", &sort_records, py::arg("records"), "Put records [n, columns] in order, in place.");
    module.def("merge_records", &merge_records, py::arg("runs"), py::arg("merged"),
               "Write the records of sorted runs to `merged`, in order.");
    module.def("join_pairs", &join_pairs, py::arg("parents"), py::arg("pairs"),
               "Join the sets of each pair [pairs, 2]; parents: zeros at first.");
    module.def("set_roots", &set_roots, py::arg("parents"), py::arg("first"), py::arg("last"),
               "1 + the least number of each number's set, or 0 when it is in no pair, [last - first].");
}
