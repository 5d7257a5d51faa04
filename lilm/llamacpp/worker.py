"""The child process around llama.cpp: reads requests from stdin, answers on stdout, logs to stderr (see client.py)."""

import codecs
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lilm.chat import Message
from lilm.chat.rendering import well_formed
from lilm.llamacpp.answers import Order, Outcome
from lilm.llamacpp.batch import BatchWriter
from lilm.llamacpp.characters import BETWEEN
from lilm.llamacpp.conversation import Conversation
from lilm.llamacpp.head import KeptStates
from lilm.llamacpp.native import N_UBATCH, Log, Model, NativeError, Vocabulary, quantize
from lilm.llamacpp.probabilities import kl_divergence, log_softmax
from lilm.llamacpp.sampler import Sampler
from lilm.llamacpp.wire import Array, read_message, write_message
from lilm.llamacpp.writer import Writer
from lilm.memory import peak_resident

Answer = tuple[dict[str, Any], list[Array]]
Added = dict[str, Any] | None
LARGEST_GAP = 1e6  # where nothing else may come


class Worker:
    """The open files of one child, and what can be asked of them: each public method is a command.

    send: tells the parent a part of the answer. stop: set when the parent wants no more of it. added: what it brings to
    a running command; None wakes one that waits, as something is to be stopped.
    """

    def __init__(self, send: Callable[[Any], None], stop: threading.Event, added: "queue.Queue[Added]") -> None:
        self._send, self._stop, self._added = send, stop, added
        self._log = Log()
        self._vocabulary: Vocabulary | None = None
        self._model: Model | None = None
        self._reference: Model | None = None
        self._kept: KeptStates | None = None
        self._keeps = False
        self._conversation: Conversation | None = None
        self._writer: Writer | None = None

    def open(
        self,
        path: str,
        n_ctx: int,
        threads: int,
        exact: bool,
        kv_type: str,
        watched: bool,
        reference: str | None,
        lora: str | None,
        keep_states: bool,
        states: str | None,
    ) -> Answer:
        """Opens a model to measure; a reference is what `score` compares with, by the states that were kept of it where
        these are given. Returns the seconds that the model took to load."""
        over = None if lora is None else Path(lora)
        started = time.perf_counter()
        model = Model(Path(path), n_ctx, threads, self._log, exact, kv_type, watched, lora=over, states=keep_states)
        seconds = time.perf_counter() - started
        self._vocabulary = self._model = model
        self._keeps = keep_states
        if reference is not None and states is not None:
            self._kept = KeptStates(Path(reference), Path(states))
        elif reference is not None:
            self._reference = Model(Path(reference), n_ctx, threads, self._log, exact, kv_type)
        other = self._reference or self._kept
        if other is not None and other.n_vocab != model.n_vocab:
            raise NativeError(f"vocabularies of {model.n_vocab} and {other.n_vocab} tokens")
        sizes = {"n_vocab": model.n_vocab, "n_ctx_train": model.n_ctx_train, "seconds": seconds}
        return {**sizes, "bos_id": model.bos_id, "eos_token": model.eos_token}, []

    def open_chat(self, path: str, n_ctx: int, threads: int, lora: str | None, template: bool, parallel: int) -> Answer:
        """Opens a model to write with: its context is not longer than in training. template: it must have one for
        chats. parallel: texts at once, for `chats`."""
        over = None if lora is None else Path(lora)
        model = Model(Path(path), n_ctx, threads, self._log, as_trained=True, lora=over, parallel=parallel)
        self._vocabulary = self._model = model
        self._writer = Writer(model)
        if template:
            self._conversation = Conversation(model)
        return {"n_ctx": model.n_ctx}, []

    def open_vocabulary(self, path: str) -> Answer:
        """Opens a vocabulary to tokenize with; the file may hold nothing else."""
        self._vocabulary = Vocabulary(Path(path), self._log)
        return {}, []

    def tokenize(self, texts: list[str], add_bos: bool, parse_special: bool) -> Answer:
        if self._vocabulary is None:
            raise NativeError("no file is open")
        return {"ids": [self._vocabulary.tokenize(text, add_bos, parse_special) for text in texts]}, []

    def text(self, tokens: list[int]) -> Answer:
        model = self._opened()
        return {"text": b"".join(model.piece(token) for token in tokens).decode("utf-8", errors="replace")}, []

    def tokenize_chat(self, messages: list[Message]) -> Answer:
        """Tokens of a chat up to where the answer begins, by the file's own template."""
        self._conversation = self._conversation or Conversation(self._opened())
        return {"ids": self._conversation.ids(messages)}, []

    def chat(self, messages: list[Message], order: dict[str, Any]) -> Answer:
        """Sends the answer piece by piece."""
        wanted = Order(**order)
        self._conversation = self._conversation or Conversation(self._opened())
        tokens, left_out = self._conversation.prompt(messages, wanted.n_predict, wanted.slide)
        return self._write(tokens, wanted, left_out)

    def chats(self) -> Answer:
        """Writes the answers to chats that are added while it runs, each {"number", "messages", "order"}, several at
        once, until it is stopped. Sends None as soon as it takes some, then [number, text, how it ended], or why it
        cannot be written in place of the latter."""
        conversation, writer = self._conversation, BatchWriter(self._opened())
        if conversation is None:
            raise NativeError("no model is open to chat")
        self._send(None)
        while not self._stop.is_set():
            while not self._stop.is_set() and (writer.is_idle or not self._added.empty()):
                if (more := self._added.get()) is None:
                    continue
                order = Order(**more["order"])
                try:
                    tokens, _ = conversation.prompt(more["messages"], order.n_predict, order.slide)
                except NativeError as error:
                    self._send([more["number"], "", str(error)])
                    continue
                writer.add(more["number"], tokens, order)
            for number, text, how in writer.step(self._stop):
                self._send([number, text, how if isinstance(how, str) else asdict(how)])
        return {}, []

    def complete(self, text: str, order: dict[str, Any]) -> Answer:
        """Sends what comes after `text`, in which no control token is looked for, piece by piece."""
        model = self._opened()
        tokens = model.tokenize(well_formed(text), add_bos=True, parse_special=False) or [max(model.bos_id, 0)]
        if len(tokens) >= model.n_ctx:
            raise NativeError(f"the text has {len(tokens)} tokens; the model's context has room for {model.n_ctx - 1}")
        return self._write(tokens, Order(**order))

    def _write(self, tokens: list[int], order: Order, left_out: int = 0) -> Answer:
        if self._writer is None:
            raise NativeError("no model is open to write")
        pieces = self._writer.write(tokens, order, self._stop, left_out)
        while True:
            try:
                self._send(next(pieces))
            except StopIteration as end:
                outcome: Outcome = end.value
                return {"outcome": asdict(outcome)}, []

    def logits(self, tokens: list[int]) -> Answer:
        return {}, [self._opened().logits(tokens)]

    def steps(self, tokens: list[int], names: str) -> Answer:
        found = self._opened().steps(tokens, names)
        return {"names": [name for name, _ in found]}, [values for _, values in found]

    def score(self, tokens: list[int], row: int) -> Answer:
        """Per predicted token (all but the first): its negative log-likelihood in nats, and whether it is the best one;
        with a reference also the KL divergence from it and whether both have the same best token; last, where they are
        to be kept, the hidden states of all tokens. row: of the first token among the kept states.

        Decoded in the parts that llama.cpp computes at once, so that a long window takes no more memory."""
        model, reference, kept = self._opened(), self._reference, self._kept
        seconds = 0.0
        states: list[Array] = []
        found: list[list[Array]] = []
        for one in (model, reference):
            if one is not None:
                one.forget()
        for start in range(0, len(tokens), N_UBATCH):
            part, wanted = tokens[start : start + N_UBATCH], tokens[start + 1 : start + 1 + N_UBATCH]
            started = time.perf_counter()
            logits = model.extend(part, start, every=True)
            seconds += time.perf_counter() - started
            ours = log_softmax(logits[: len(wanted)])
            best = ours.argmax(axis=-1)
            values: list[Array] = [-ours[np.arange(len(wanted)), wanted].astype(np.float64), best == np.array(wanted)]
            if self._keeps:
                states.append(model.states(len(part)).astype(np.float16))
            if reference is not None or kept is not None:
                if kept is not None:
                    logits = kept.logits(row + start, len(wanted))
                elif reference is not None:
                    logits = reference.extend(part, start, every=True)[: len(wanted)]
                theirs = log_softmax(logits)
                values += [kl_divergence(theirs, ours), best == theirs.argmax(axis=-1)]
            found.append(values)
        columns = [np.concatenate(values) for values in zip(*found, strict=True)]
        return {"seconds": seconds}, [*columns, np.concatenate(states)] if states else columns

    def greedy(self, tokens: list[int], n_predict: int, stop: bool) -> Answer:
        """Go on with the best token that makes whole characters, at most `n_predict` times; `stop`: end before an
        end-of-text token. A character that n_predict cuts is left out of the text."""
        model = self._opened()
        characters, state = model.characters, BETWEEN
        started = time.perf_counter()
        row = model.logits(tokens)[-1]
        prompt_seconds = time.perf_counter() - started
        ids: list[int] = []
        gaps: list[float] = []
        while len(ids) < n_predict:
            characters.mask(row, state)
            second, best = np.partition(row, -2)[-2:]
            token = int(row.argmax())
            state = characters.after(state, token)
            if stop and model.is_end(token):
                break
            ids.append(token)
            gaps.append(min(float(best - second), LARGEST_GAP))
            if len(ids) < n_predict:
                row = model.extend([token], len(tokens) + len(ids) - 1, every=False)[0]
        seconds = time.perf_counter() - started - prompt_seconds
        return {"ids": ids, "gaps": gaps, "text": self._written(ids), "seconds": seconds}, []

    def sample(self, tokens: list[int], sampling: dict[str, Any]) -> Answer:
        """Go on as `sampling` draws (SamplingConfig's values, n_predict and seed) up to an end-of-text token. A
        character that n_predict cuts is left out of the text."""
        model = self._opened()
        ids: list[int] = []
        ended = False
        with Sampler(sampling, model, sampling["seed"]) as sampler:
            model.begin(tokens)
            sampler.remember(tokens)
            while len(ids) < sampling["n_predict"]:
                token = sampler.draw()
                if ended := model.is_end(token):
                    break
                ids.append(token)
                if len(ids) < sampling["n_predict"]:
                    model.extend([token], len(tokens) + len(ids) - 1, every=False)
        return {"ids": ids, "text": self._written(ids), "ended": ended}, []

    def speed(self, n_prompt: int, n_predict: int) -> Answer:
        """Tokens a second of a prompt of `n_prompt` tokens, of which the last one's logits are made, and of
        `n_predict` single tokens after it. Which tokens does not matter."""
        model = self._opened()
        tokens = [1 + index % (model.n_vocab - 1) for index in range(n_prompt)]
        started = time.perf_counter()
        model.begin(tokens)
        prompt = time.perf_counter()
        for index in range(n_predict):
            model.extend([1 + index % 64], n_prompt + index, every=False)
        seconds = time.perf_counter() - prompt
        return {"prefill": n_prompt / (prompt - started), "decode": n_predict / seconds}, []

    def memory(self) -> Answer:
        """The most memory that this process had resident so far, bytes, mapped pages of files and all."""
        return {"peak_bytes": peak_resident()}, []

    def quantize(self, source: str, target: str, ftype: int, threads: int) -> Answer:
        """Sends [tensors done, all]."""
        quantize(Path(source), Path(target), ftype, threads, self._log, lambda *counts: self._send(counts))
        return {}, []

    def _written(self, ids: list[int]) -> str:
        """Drawn text, without a character that is not whole at its end."""
        model = self._opened()
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return decoder.decode(b"".join(model.piece(token) for token in ids))

    def _opened(self) -> Model:
        if self._model is None:
            raise NativeError("no model is open")
        return self._model


def requests(stream: BinaryIO, stop: threading.Event, added: "queue.Queue[Added]") -> Iterator[dict[str, Any]]:
    """The parent's requests. `stop` is set as soon as the parent asks for it, and what it adds to a running one comes
    into `added`. When the parent is gone, so is this process, even in the middle of work."""
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        while True:
            try:
                request = read_message(stream)[0]
            except EOFError:
                os._exit(0)
            if "do" in request:  # commands have arguments of the other names too
                stop.clear()  # here and not where the work begins: the order of the messages decides
                waiting.put(request)
            elif "add" in request:
                added.put(request["add"])
            else:
                stop.set()
                added.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what llama.cpp prints must not mix with the answers
    stop, added = threading.Event(), queue.Queue[Added]()
    worker = Worker(lambda part: write_message(out, {"part": part}), stop, added)
    for request in requests(sys.stdin.buffer, stop, added):
        command = getattr(worker, request.pop("do"))
        try:
            head, arrays = command(**request)
        except NativeError as error:
            head, arrays = {"refused": str(error)}, []
        except Exception as error:  # what nobody foresaw is this request's end, too, and not the process's
            head, arrays = {"refused": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}, []
        write_message(out, head, arrays)
