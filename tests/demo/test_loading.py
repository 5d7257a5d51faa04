"""Models come over bad networks, are checked, kept and found again: the real runtime in Chromium."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MODEL = "models/model-Q4_K_M.gguf"
CHUNK = 16 << 10

LOAD = """async ([source, options]) => {
  const { load } = await import("./wasm/runtime/lilm.mjs");
  const progress = [], notices = [];
  try {
    const model = await load(source, {
      ...options, onProgress: (one) => progress.push(one), onNotice: ({ kind }) => notices.push(kind),
    });
    const { text } = await model.complete("The cat", { temperature: 0, n_predict: 4 });
    await model.unload();
    return { text, progress, notices };
  } catch (error) {
    return { kind: error.kind, message: error.message, progress, notices };
  }
}"""
LIST = "async () => (await import('./wasm/runtime/lilm.mjs')).listKept()"
Open = Callable[[], Any]


@pytest.fixture
def open_blank(browser: Any, faulty: Any) -> Iterator[Open]:
    """Opens an empty page beside the runtime; all pages share one profile."""
    context = browser.new_context()

    def open_new() -> Any:
        page = context.new_page()
        page.goto(faulty.url + "blank.html")
        return page

    yield open_new
    context.close()


def load(page: Any, source: Any = MODEL, **options: Any) -> dict[str, Any]:
    if isinstance(source, str):
        options = {"chunks": f"{source}.chunks.json", **options}
    answer: dict[str, Any] = page.evaluate(LOAD, [source, options])
    return answer


def downloaded(answer: dict[str, Any]) -> list[int]:
    return [one["loaded"] for one in answer["progress"] if one["phase"] == "download"]


def chunk_count(site: Path) -> int:
    return len(json.loads((site / f"{MODEL}.chunks.json").read_text())["chunks"])


def test_the_second_visit_needs_no_network(open_blank: Open, faulty: Any, real_site: Path) -> None:
    page = open_blank()
    first = load(page)
    size = (real_site / MODEL).stat().st_size
    assert first["notices"] == ["kept"]
    assert downloaded(first)[-1] == size
    assert len(faulty.asked) == chunk_count(real_site) > 4
    kept = page.evaluate(LIST)
    assert [(one["name"], one["bytes"], one["complete"]) for one in kept] == [("model-Q4_K_M.gguf", size, True)]
    # The list of chunks comes from the page itself; the model may be gone from the server.
    (real_site / MODEL).unlink()
    second = load(page)
    assert second["text"] == first["text"]
    assert downloaded(second) == []
    assert load(page, {"opfs": "model-Q4_K_M.gguf"})["text"] == first["text"]
    assert load(page, chunks="nowhere.json")["text"] == first["text"]
    page.evaluate("async (key) => (await import('./wasm/runtime/lilm.mjs')).forgetKept(key)", kept[0]["key"])
    assert page.evaluate(LIST) == []
    assert load(page, {"opfs": "model-Q4_K_M.gguf"})["kind"] == "not_kept"


def test_a_download_over_breaking_connections_arrives(open_blank: Open, faulty: Any, real_site: Path) -> None:
    faulty.break_after = CHUNK - 1000  # each chunk takes two connections
    answer = load(open_blank())
    assert answer["text"]
    assert len(faulty.asked) >= 2 * chunk_count(real_site) - 1
    assert f"bytes={CHUNK - 1000}-{CHUNK - 1}" in faulty.asked


def test_what_came_before_a_lost_network_is_not_asked_for_again(
    open_blank: Open, faulty: Any, real_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_blank()
    faulty.slow = 0.1
    stopped = page.evaluate(
        """async ([source, chunks]) => {
      const { load } = await import("./wasm/runtime/lilm.mjs");
      const control = new AbortController();
      const onProgress = ({ loaded, total }) => total && loaded > total / 3 && control.abort();
      return load(source, { chunks, signal: control.signal, onProgress }).catch((error) => error.kind);
    }""",
        [MODEL, f"{MODEL}.chunks.json"],
    )
    assert stopped == "aborted"
    faulty.slow = 0
    before = len(faulty.asked)
    answer = load(page)
    assert answer["text"]
    assert downloaded(answer)[0] >= CHUNK
    assert len(faulty.asked) - before < chunk_count(real_site)


def test_a_damaged_chunk_is_fetched_again_once_and_then_refused(open_blank: Open, faulty: Any, real_site: Path) -> None:
    page = open_blank()
    faulty.corrupt = {1}
    assert load(page, keep=False)["text"]
    assert len(faulty.asked) == chunk_count(real_site) + 1
    faulty.corrupt = set(range(1000))
    answer = load(page)
    assert answer["kind"] == "wrong_hash"
    assert "not what the list of chunks says" in answer["message"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_server_without_ranges_is_read_in_one_stream(
    open_blank: Open, faulty: Any, real_site: Path, keep: bool
) -> None:
    faulty.ranges = False
    page = open_blank()
    faulty.corrupt = {1}  # the first answer is the question what the server can do
    answer = load(page, keep=keep)
    assert answer["text"]
    assert downloaded(answer)[-1] == (real_site / MODEL).stat().st_size
    faulty.corrupt = set(range(1000))
    if not keep:
        assert load(page, keep=keep)["kind"] == "wrong_hash"


def test_without_a_list_the_model_is_kept_too(open_blank: Open, faulty: Any) -> None:
    page = open_blank()
    first = load(page, chunks=None)
    asked = len(faulty.asked)
    assert load(page, chunks=None)["text"] == first["text"]
    assert len(faulty.asked) == asked


@pytest.mark.parametrize("change", ["size", "tag"])
def test_without_a_list_another_file_on_the_server_is_downloaded(
    open_blank: Open, faulty: Any, real_site: Path, change: str
) -> None:
    page, path = open_blank(), real_site / MODEL
    faulty.tag = '"first"'
    first = load(page, chunks=None)
    asked = len(faulty.asked)
    if change == "size":
        path.write_bytes(path.read_bytes() + bytes(32))
    else:
        faulty.tag = '"second"'
    second = load(page, chunks=None)
    assert second["text"] == first["text"]
    assert downloaded(second)[-1] == path.stat().st_size and len(faulty.asked) == 2 * asked
    faulty.slow = 5
    assert load(page, chunks=None)["text"] == first["text"], "a server that does not answer is not waited for"
    path.unlink()
    assert load(page, chunks=None)["text"] == first["text"]
    assert len(faulty.asked) == 2 * asked
    assert len(page.evaluate(LIST)) == 1


def test_an_option_that_is_undefined_is_as_if_it_were_not_given(open_blank: Open) -> None:
    said = open_blank().evaluate(
        """async (model) => {
          const { load } = await import("./wasm/runtime/lilm.mjs");
          const loaded = await load(model, { chunks: `${model}.chunks.json` });
          const undefineds = { temperature: undefined, top_k: undefined, top_p: undefined, repeat_penalty: undefined };
          const texts = [];
          for (const options of [{}, undefineds]) {
            const { text } = await loaded.complete("The cat", { n_predict: 12, seed: 3, ...options });
            texts.push(text);
          }
          const { tokens } = await loaded.complete("The cat", { n_predict: undefined });
          await loaded.unload();
          return { texts, tokens };
        }""",
        MODEL,
    )
    assert said["texts"][0] == said["texts"][1] != ""
    assert said["tokens"] > 0


def test_two_tabs_download_once(open_blank: Open, faulty: Any, real_site: Path) -> None:
    one, two = open_blank(), open_blank()
    faulty.slow = 0.05
    start = f"([source, options]) => void (globalThis.answer = ({LOAD})([source, options]))"
    for page in (one, two):
        page.evaluate(start, [MODEL, {"chunks": f"{MODEL}.chunks.json"}])
    answers = [page.evaluate("() => answer") for page in (one, two)]
    assert answers[0]["text"] == answers[1]["text"] != ""
    assert len(faulty.asked) == chunk_count(real_site)
    assert "wait" in {progress["phase"] for answer in answers for progress in answer["progress"]}


@pytest.mark.parametrize("room", [8 << 10, 100 << 10])
def test_a_full_storage_means_memory_and_says_so(open_blank: Open, faulty: Any, real_site: Path, room: int) -> None:
    page = open_blank()
    with_room = {"origin": faulty.url.rstrip("/"), "quotaSize": room}
    page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", with_room)
    answer = load(page)
    assert answer.get("text"), answer
    assert answer["notices"] == ["quota_full"]
    assert page.evaluate(LIST) == []


@pytest.mark.parametrize(
    "harm",
    [
        "root.removeEntry('lilm-models', { recursive: true })",  # as a browser does that needs the room
        "change('journal', '{')",
        "change('gguf', 'GGUF')",
    ],
)
def test_what_is_no_longer_whole_is_downloaded_again(open_blank: Open, faulty: Any, harm: str) -> None:
    page = open_blank()
    first = load(page)
    asked = len(faulty.asked)
    page.evaluate(
        """async (harm) => {
          const root = await navigator.storage.getDirectory();
          const change = async (kind, text) => {
            const folder = await root.getDirectoryHandle("lilm-models");
            for await (const [name, handle] of folder.entries()) {
              if (!name.endsWith(kind)) continue;
              const file = await handle.createWritable();
              await file.write(text);
              await file.close();
            }
          };
          await eval(harm);
        }""",
        harm,
    )
    assert load(page)["text"] == first["text"]
    assert len(faulty.asked) == 2 * asked
    assert [one["complete"] for one in page.evaluate(LIST)] == [True]


def test_a_chosen_file_is_read_where_it_lies(open_blank: Open, faulty: Any, real_site: Path) -> None:
    page = open_blank()
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), { type: 'file' }))")
    page.set_input_files("input", real_site / MODEL)
    assert page.evaluate(f"async () => ({LOAD})([document.querySelector('input').files[0], {{}}])")["text"]
    assert page.evaluate(LIST) == []


def test_a_file_that_is_no_model_is_not_kept(open_blank: Open, real_site: Path) -> None:
    (real_site / "models" / "page.gguf").write_bytes(b"<html>" * 100)
    page = open_blank()
    assert load(page, "models/page.gguf", chunks=None)["kind"] == "not_a_gguf"
    assert page.evaluate(LIST) == []


def test_a_worker_that_the_browser_ends_is_told(open_blank: Open) -> None:
    page = open_blank()
    page.evaluate(
        """async (source) => {
      const { load } = await import("./wasm/runtime/lilm.mjs");
      globalThis.model = await load(source);
    }""",
        MODEL,
    )
    page.workers[0].evaluate("close()")
    assert page.evaluate("model.ended.then(({ kind }) => kind)") == "worker_died"
    assert page.evaluate("model.stats().catch(({ kind }) => kind)") == "worker_died"
