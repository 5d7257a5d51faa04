"""The child process around llama.cpp: reads commands from stdin, answers on stdout, logs to stderr."""

import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lilm.chat import Message
from lilm.llamacpp.chat_prompt import ChatPrompt
from lilm.llamacpp.native import Log, Model, NativeError, quantize
from lilm.llamacpp.probabilities import kl_divergence, log_softmax
from lilm.llamacpp.wire import Array, read_message, write_message

Answer = tuple[dict[str, Any], list[Array]]


class Session:
    """The open files of one child: the measured one, and the reference when there is one."""

    def __init__(self) -> None:
        self.log = Log()
        self.model: Model | None = None
        self.reference: Model | None = None
        self.prompt: ChatPrompt | None = None

    def opened(self) -> Model:
        if self.model is None:
            raise NativeError("no model is open")
        return self.model

    def open(
        self, path: str, n_ctx: int, threads: int, exact: bool, kv_type: str, watched: bool, reference: str | None
    ) -> Answer:
        self.prompt = None
        self.model = Model(Path(path), n_ctx, threads, self.log, exact, kv_type, watched)
        if reference is not None:
            self.reference = Model(Path(reference), n_ctx, threads, self.log, exact, kv_type)
            if self.reference.n_vocab != self.model.n_vocab:
                raise NativeError(f"vocabularies of {self.model.n_vocab} and {self.reference.n_vocab} tokens")
        sizes = {"n_vocab": self.model.n_vocab, "n_ctx_train": self.model.n_ctx_train}
        return {**sizes, "bos_id": self.model.bos_id, "eos_token": self.model.eos_token}, []

    def tokenize(self, text: str, add_bos: bool, parse_special: bool) -> Answer:
        return {"ids": self.opened().tokenize(text, add_bos, parse_special)}, []

    def chat(self, messages: list[Message]) -> Answer:
        """Tokens of a chat up to where the answer begins, by the file's own template."""
        self.prompt = self.prompt or ChatPrompt(self.opened())
        return {"ids": self.prompt.ids(messages)}, []

    def logits(self, tokens: list[int]) -> Answer:
        return {}, [self.opened().logits(tokens)]

    def steps(self, tokens: list[int], names: str) -> Answer:
        found = self.opened().steps(tokens, names)
        return {"names": [name for name, _ in found]}, [values for _, values in found]

    def score(self, tokens: list[int]) -> Answer:
        """Per predicted token (all but the first): its negative log-likelihood in nats; with a reference also
        the KL divergence from it and whether both have the same best token."""
        started = time.perf_counter()
        logits = self.opened().logits(tokens)[:-1]
        seconds = time.perf_counter() - started
        ours = log_softmax(logits)
        nll = -ours[np.arange(len(ours)), tokens[1:]].astype(np.float64)
        if self.reference is None:
            return {"seconds": seconds}, [nll]
        theirs = log_softmax(self.reference.logits(tokens)[:-1])
        same = ours.argmax(axis=-1) == theirs.argmax(axis=-1)
        return {"seconds": seconds}, [nll, kl_divergence(theirs, ours), same]

    def greedy(self, tokens: list[int], n_predict: int, stop: bool) -> Answer:
        """Go on with the best token, at most `n_predict` times; `stop`: end before an end-of-text token."""
        model = self.opened()
        started = time.perf_counter()
        row = model.logits(tokens)[-1]
        prompt_seconds = time.perf_counter() - started
        ids: list[int] = []
        gaps: list[float] = []
        while len(ids) < n_predict:
            second, best = np.partition(row, -2)[-2:]
            token = int(row.argmax())
            if stop and model.is_end(token):
                break
            ids.append(token)
            gaps.append(float(best - second))
            if len(ids) < n_predict:
                row = model.extend([token], len(tokens) + len(ids) - 1, every=False)[0]
        seconds = time.perf_counter() - started - prompt_seconds
        text = b"".join(model.piece(token) for token in ids).decode("utf-8", errors="replace")
        return {"ids": ids, "gaps": gaps, "text": text, "seconds": seconds}, []

    def speed(self, n_prompt: int, n_predict: int) -> Answer:
        """Tokens a second of a prompt of `n_prompt` tokens, of which the last one's logits are made, and of
        `n_predict` single tokens after it. Which tokens does not matter."""
        model = self.opened()
        tokens = [1 + index % (model.n_vocab - 1) for index in range(n_prompt)]
        started = time.perf_counter()
        model.begin(tokens)
        prompt = time.perf_counter()
        for index in range(n_predict):
            model.extend([1 + index % 64], n_prompt + index, every=False)
        seconds = time.perf_counter() - prompt
        return {"prefill": n_prompt / (prompt - started), "decode": n_predict / seconds}, []


def commands(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """The parent's commands. When the parent is gone, so is this process, even in the middle of work."""
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        while True:
            try:
                waiting.put(read_message(stream)[0])
            except EOFError:
                os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what llama.cpp prints must not mix with the answers
    session = Session()
    for command in commands(sys.stdin.buffer):
        name = command.pop("do")
        try:
            if name == "quantize":
                quantize(
                    Path(command["source"]),
                    Path(command["target"]),
                    command["ftype"],
                    command["threads"],
                    session.log,
                    lambda done, total: write_message(out, {"progress": [done, total]}),
                )
                head: dict[str, Any] = {}
                arrays: list[Array] = []
            else:
                head, arrays = getattr(session, name)(**command)
        except NativeError as error:
            head, arrays = {"refused": str(error)}, []
        write_message(out, head, arrays)
