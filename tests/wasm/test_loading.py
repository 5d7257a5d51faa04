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
