"""The parts of the runtime's loading that need no browser."""

import json
import subprocess
from typing import Any

from lilm.wasm.javascript import runtime_dir


def node(script: str) -> Any:
    """What `script`, with the runtime's folder as RUNTIME, gives to `answer`."""
    whole = (
        f"const RUNTIME = '{runtime_dir().as_uri()}';\nconst answer = (x) => console.log(JSON.stringify(x));\n{script}"
    )
    command = ["node", "--input-type=module", "-e", whole]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_when_the_storage_is_full_all_pieces_go_to_memory() -> None:
    script = """
    const { OverflowingPieces } = await import(`${RUNTIME}/pieces.mjs`);
    const there = new Map();
    const file = {
      header: { bytes: 10, piece_bytes: 4 },
      has: (piece) => there.has(piece),
      read: (at, into) => into.set(there.get(at / 4)),
      write(piece, bytes) {
        if (there.size === 1) throw new DOMException("full", "QuotaExceededError");
        there.set(piece, bytes);
      },
    };
    const pieces = new OverflowingPieces(file);
    const bytes = (text) => new TextEncoder().encode(text);
    pieces.write(2, bytes("ij"));
    const before = pieces.memory;
    pieces.write(0, bytes("abcd"));
    const has = [0, 1, 2].map((piece) => pieces.has(piece));
    pieces.write(1, bytes("efgh"));
    answer({ before, has, text: await pieces.memory.blob().text() });
    """
    assert node(script) == {"before": None, "has": [True, False, True], "text": "abcdefghij"}


def test_whole_turns_are_dropped_oldest_first_and_the_system_message_stays() -> None:
    script = """
    const { fitTurns } = await import(`${RUNTIME}/turns.mjs`);
    const say = (role, content) => ({ role, content });
    const chat = [say("system", "s"), say("user", "aaaa"), say("assistant", "bbbb"), say("assistant", "b"),
      say("user", "cc"), say("assistant", "dd"), say("user", "ee")];
    const shown = [];
    const tokenize = (messages) => [...(shown[0] = messages.map(({ content }) => content).join(""))];
    answer([40, 16, 8, 4, 2].map((n_ctx) => {
      const { tokens, dropped_turns } = fitTurns(chat, tokenize, n_ctx, 2);
      return [tokens.join(""), dropped_turns];
    }));
    """
    assert node(script) == [
        ["saaaabbbbbccddee", 0],
        ["sccddee", 1],
        ["see", 2],
        ["see", 2],
        ["see", 2],
    ]


def test_how_many_turns_go_is_found_in_few_tries() -> None:
    """Each turn that went was one more try: a chat of 400 turns took 40 seconds, in which nothing stopped it."""
    script = """
    const { fitTurns } = await import(`${RUNTIME}/turns.mjs`);
    const say = (role) => ({ role, content: "x".repeat(10) });
    const chat = Array.from({ length: 2001 }, (_, at) => say(at % 2 ? "assistant" : "user"));
    const found = [];
    for (const n_ctx of [16, 64, 200, 20000, 30000]) {
      let tries = 0;
      const tokenize = (messages) => (tries++, [...messages.map(({ content }) => content).join("")]);
      const { tokens, dropped_turns } = fitTurns(chat, tokenize, n_ctx, 10);
      found.push([tokens.length, dropped_turns, tries < 14]);
    }
    answer(found);
    """
    assert node(script) == [
        [10, 1000, True],
        [50, 998, True],
        [190, 991, True],
        [19990, 1, True],
        [20010, 0, True],
    ]


def test_a_file_s_name_is_read_from_any_place() -> None:
    places = {
        "https://example.org/a/model%201.gguf?x=/y#z": "model 1.gguf",
        "https://example.org/100%.gguf": "100%.gguf",
        "file:///a/b%25.gguf": "b%.gguf",
        "/a/b%20c.gguf": "b%20c.gguf",
        "C:\\models\\a.gguf": "a.gguf",
        "a.gguf": "a.gguf",
    }
    script = f"""
    const {{ fileName }} = await import(`${{RUNTIME}}/file_name.mjs`);
    answer({json.dumps(list(places))}.map(fileName));
    """
    assert node(script) == list(places.values())


def test_kept_models_are_listed_while_others_are_deleted() -> None:
    """Another tab may delete one between the look at the folder and the look at the file."""
    script = """
    const journal = JSON.stringify({ name: "m", url: "u", bytes: 2, piece_bytes: 1, tag: "" }) + "\\n11";
    const gone = { getFile: async () => { throw new DOMException("not there", "NotFoundError"); } };
    const here = { getFile: async () => new Blob([journal]) };
    const folder = { async *entries() { yield* [["a.journal", gone], ["b.journal", here]]; } };
    const root = { getDirectoryHandle: async () => folder };
    Object.defineProperty(globalThis, "navigator", { value: { storage: { getDirectory: async () => root } } });
    const { listKept } = await import(`${RUNTIME}/kept.mjs`);
    answer(await listKept());
    """
    assert node(script) == [{"key": "b", "name": "m", "url": "u", "bytes": 2, "tag": "", "complete": True}]


def test_speed_is_that_of_the_last_seconds() -> None:
    script = """
    const { metered } = await import(`${RUNTIME}/progress.mjs`);
    let now = 0;
    performance.now = () => now;
    const speeds = [];
    const tell = metered(({ speed }) => speeds.push(speed));
    for (const [at, loaded] of [[0, 0], [1000, 100], [2000, 200], [9000, 200], [12000, 500]]) {
      now = at;
      tell("download", loaded, 1000);
    }
    answer(speeds);
    """
    first, second, third, *_, last = node(script)
    assert (first, second, third) == (0, 100, 100)
    assert last == 100


RANGES = """
const { createServer } = await import("node:http");
const { fetchRange, probe } = await import(`${RUNTIME}/http.mjs`);
const file = Buffer.from("0123456789");
async function from(told, ask) {
  const server = createServer((request, response) => {
    const [, first, last] = /bytes=(\\d+)-(\\d+)/.exec(request.headers.range).map(Number);
    const part = told(first, last);
    response.writeHead(206, part.told === null ? {} : { "Content-Range": part.told });
    response.end(file.subarray(part.first, part.last + 1));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}/x`;
  try {
    return await ask(url).catch((error) => `${error.kind}: ${error.message.replace(url, "URL")}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
const signal = new AbortController().signal;
async function part(url) {
  const into = new Uint8Array(4);
  await fetchRange(url, 2, into, signal, () => {});
  return Buffer.from(into).toString();
}
"""


def test_a_part_of_a_file_that_was_not_asked_for_is_refused() -> None:
    script = """
    const right = (first, last) => ({ first, last, told: `bytes ${first}-${last}/10` });
    const shifted = (first, last) => ({ first: first + 1, last: last + 1, told: `bytes ${first + 1}-${last + 1}/10` });
    const nonsense = (first, last) => ({ first, last, told: "bytes a-b/c" });
    const halves = (first, last) => right(first, Math.min(last, first + 1));
    answer([
      await from(right, part), await from(halves, part), await from(shifted, part), await from(nonsense, part),
      (await from(right, (url) => probe(url, signal))).size, await from(shifted, (url) => probe(url, signal)),
    ]);
    """
    right, halves, shifted, nonsense, size, probed = node(RANGES + script)
    assert (right, halves, size) == ("2345", "2345", 10)
    assert shifted == "network: the server sends bytes 3-6/10 of URL where bytes 2-5 were asked for"
    assert nonsense.startswith("network: the server sends bytes a-b/c") and probed.startswith("network: ")


REPLACED = """
const { createServer } = await import("node:http");
const { Download } = await import(`${RUNTIME}/download.mjs`);
globalThis.FileReaderSync = undefined;
async function download(ranges, breaks) {
  let asked = 0;
  const server = createServer((request, response) => {
    const old = asked++ < 2; // what is there when it is asked for, and when the first bytes come
    const file = Buffer.alloc(20 << 20, old ? "a" : "b");
    const [, first, last] = /bytes=(\\d+)-(\\d+)/.exec(request.headers.range ?? "") ?? [0, 0, file.length - 1];
    const part = ranges ? file.subarray(Number(first), Number(last) + 1) : file;
    const headers = { ETag: old ? '"1"' : '"2"', "Content-Length": part.length };
    if (ranges) headers["Content-Range"] = `bytes ${first}-${last}/${file.length}`;
    response.writeHead(ranges ? 206 : 200, headers);
    if (!breaks || !old || asked === 1) return response.end(part);
    response.write(part.subarray(0, 12 << 20), () => setTimeout(() => response.destroy(), 300));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}/x`;
  const options = { onProgress() {}, onSize() {}, onNotice() {} };
  try {
    const reader = await new Download(url, null, options).toMemory();
    const found = [0, reader.size - 1].map((at) => (at = [at, new Uint8Array(1)], reader.read(...at), at[1][0]));
    return String.fromCharCode(...found);
  } catch (error) {
    return `${error.kind}: ${error.message.replace(url, "URL")}`;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
answer([await download(true, false), await download(false, true)]);
"""


def test_a_file_that_is_replaced_while_it_comes_is_not_made_of_both() -> None:
    assert node(REPLACED) == 2 * ["network: URL was replaced while it came; load it again"]


def test_a_list_of_chunks_is_checked_before_it_is_used() -> None:
    script = """
    const { checkChunkList } = await import(`${RUNTIME}/chunk_list.mjs`);
    const hash = "0".repeat(64);
    const good = { bytes: 10, chunk_bytes: 4, sha256: hash, chunks: [hash, hash, hash] };
    const bad = [null, [], { ...good, bytes: "10" }, { ...good, bytes: -1 }, { ...good, chunk_bytes: 0 },
      { ...good, chunk_bytes: 1e300 }, { ...good, sha256: 5 }, { ...good, chunks: [hash] },
      { ...good, chunks: [hash, hash, "x"] }, { ...good, chunks: "abc" }];
    const said = bad.map((list) => {
      try {
        return checkChunkList(list, "LIST");
      } catch (error) {
        return `${error.kind}: ${error.message}`;
      }
    });
    answer([checkChunkList(good, "LIST").chunks.length, said]);
    """
    chunks, said = node(script)
    assert chunks == 3
    assert all(line.startswith("wrong_hash: the list of chunks LIST cannot be used: ") for line in said), said
    assert said[7].endswith("10 bytes are 3 chunks of 4, and it has 1")
