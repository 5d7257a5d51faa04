"""Tokenising with llama.cpp, in a child process: a crash in C++ becomes an error with llama.cpp's own words.

The child reads one JSON object from stdin,
{"lines": [str], "add_special": bool, "parse_special": bool}, and writes one to stdout, {"ids": [[int]]}.
llama.cpp's log goes to stderr.
"""

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lilm
from lilm.errors import LilmError

LOAD_FAILED = 3  # exit code of the child when llama.cpp refuses the file
LOG_TAIL = 8  # lines of llama.cpp's log shown in an error
LOG_WARN = 3  # ggml_log_level: 1 debug, 2 info, 3 warn, 4 error, 5 continue
# -P keeps the working folder out of the import path; the package's own place goes to its end.
START = "import sys; sys.path.append(sys.argv[1]); from lilm.llamacpp.tokenize import main; sys.exit(main(sys.argv[2]))"


def tokenize_lines(
    path: Path, lines: Sequence[str], *, add_special: bool = True, parse_special: bool = False
) -> list[list[int]]:
    """Token ids of each line by llama.cpp, with the vocabulary of the GGUF file at `path`.

    add_special: begin with BOS. parse_special: `</s>` in the text is the token, not five characters.
    Raises LilmError when llama.cpp cannot load the file, RuntimeError when it crashes.
    """
    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="give a GGUF file")
    task = {"lines": list(lines), "add_special": add_special, "parse_special": parse_special}
    root = str(Path(lilm.__file__).parent.parent)
    child = subprocess.run(
        [sys.executable, "-P", "-c", START, root, str(path)],
        input=json.dumps(task).encode(),
        capture_output=True,
        check=False,
    )
    log = " | ".join(child.stderr.decode(errors="replace").strip().splitlines()[-LOG_TAIL:])
    if child.returncode == LOAD_FAILED:
        raise LilmError(f"llama.cpp cannot load it: {log}", where=str(path), remedy="write the file again")
    if child.returncode:
        how = signal.Signals(-child.returncode).name if child.returncode < 0 else f"exit code {child.returncode}"
        raise RuntimeError(f"llama.cpp failed on {path} ({how}): {log or 'it said nothing'}")
    ids: list[list[int]] = json.loads(child.stdout)["ids"]
    return ids


def _tokenize(vocab: Any, line: str, add_special: bool, parse_special: bool) -> list[int]:
    import llama_cpp

    text = line.encode()
    room = len(text) + 2  # every byte its own token, ▁ in front, BOS
    while True:
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(vocab, text, len(text), buffer, room, add_special, parse_special)
        if count >= 0:
            return list(buffer[:count])
        room = -count


def main(path: str) -> int:
    """The child: stdin to stdout. Returns the exit code."""
    import llama_cpp

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def log(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        if level >= LOG_WARN:
            sys.stderr.buffer.write(text)
            sys.stderr.flush()

    llama_cpp.llama_log_set(log, ctypes.c_void_p(0))
    task = json.load(sys.stdin)
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    if not model:
        return LOAD_FAILED
    vocab = llama_cpp.llama_model_get_vocab(model)
    ids = [_tokenize(vocab, line, task["add_special"], task["parse_special"]) for line in task["lines"]]
    json.dump({"ids": ids}, sys.stdout)
    return 0
