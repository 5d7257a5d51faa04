"""The child process of a chat: holds one model, writes answers piece by piece, stops when told to."""

import codecs
import ctypes
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from llama_cpp import llama_cpp as llama

from lilm.llamacpp.chat_prompt import ChatPrompt
from lilm.llamacpp.native import Log, Model, NativeError
from lilm.llamacpp.wire import read_message, write_message

Messages = Sequence[dict[str, str]]


def trained_context(path: Path, log: Log) -> int:
    """`context_length` of the file: tokens beyond it were never seen in training."""
    log.errors.clear()
    params = llama.llama_model_default_params()
    params.vocab_only = True
    model = llama.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise log.failure()
    try:
        architecture = _metadata(model, "general.architecture")
        return int(_metadata(model, f"{architecture}.context_length"))
    finally:
        llama.llama_model_free(model)


def _metadata(model: Any, key: str) -> str:
    buffer = ctypes.create_string_buffer(256)
    if llama.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer)) < 0:
        raise NativeError(f"the file has no {key}")
    return buffer.value.decode()


def without_oldest(messages: Messages) -> Messages | None:
    """The messages without the oldest exchange, a question with all its answers, as wasm/runtime/turns.mjs does it. The
    system messages at the start stay. None when only one exchange is left."""
    head = list(takewhile(lambda message: message["role"] == "system", messages))
    later = range(len(head) + 1, len(messages))
    following = next((at for at in later if messages[at]["role"] == "user"), None)
    return None if following is None else [*head, *messages[following:]]


class Chat:
    """One model and the tokens that its context holds, so that a longer chat reads only what is new."""

    def __init__(self, path: Path, n_ctx: int, threads: int) -> None:
        log = Log()
        self.n_ctx = min(n_ctx, trained_context(path, log))
        self.model = Model(path, self.n_ctx, threads, log)
        self.held: list[int] = []
        self.asked = ChatPrompt(self.model)

    def prompt(self, messages: Messages, n_predict: int) -> list[int]:
        """Token ids of the chat. The oldest exchanges go when there is no room for them and a short answer.

        Raises NativeError when the system messages and the last exchange alone do not fit.
        """
        room = self.n_ctx - min(n_predict, self.n_ctx // 4)
        tokens = self.asked.ids(messages)
        while len(tokens) > room:
            left = without_oldest(messages)
            if left is None:
                raise NativeError(f"the message has {len(tokens)} tokens; the model's context has room for {room}")
            messages, tokens = left, self.asked.ids(left)
        return tokens

    def read(self, tokens: list[int]) -> None:
        """Bring the context to `tokens`, keeping the part that it already has."""
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.held, tokens[:-1], strict=False)))
        llama.llama_memory_seq_rm(llama.llama_get_memory(self.model.context), 0, same, -1)
        self.held = tokens[:same]
        self.model.extend(tokens[same:], same, every=False)
        self.held = list(tokens)

    def answer(self, messages: Messages, sampling: dict[str, Any], stop: threading.Event) -> Iterator[str]:
        """Pieces of text, each of whole characters."""
        self.read(self.prompt(messages, sampling["n_predict"]))
        sampler = make_sampler(sampling, self.model.n_vocab)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        count = 0
        try:
            for token in self.held[-sampling["repeat_last_n"] or len(self.held) :]:
                llama.llama_sampler_accept(sampler, token)
            limit = min(sampling["n_predict"], self.n_ctx - len(self.held))
            while count < limit and not stop.is_set():
                token = llama.llama_sampler_sample(sampler, self.model.context, -1)
                if self.model.is_end(token):
                    break
                count += 1
                yield decoder.decode(self.model.piece(token))
                self.model.extend([token], len(self.held), every=False)
                self.held.append(token)
            yield decoder.decode(b"", final=True)
        finally:
            llama.llama_sampler_free(sampler)


def make_sampler(sampling: dict[str, Any], n_vocab: int) -> Any:
    """llama.cpp's sampler chain, in the order of its own tools. Temperature 0 takes the best token."""
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    last_n, repeat = sampling["repeat_last_n"], sampling["repeat_penalty"]
    steps = [llama.llama_sampler_init_penalties(n_vocab, last_n, repeat, 0.0, 0.0)]
    if sampling["temperature"] <= 0:
        steps.append(llama.llama_sampler_init_greedy())
    else:
        steps += [
            llama.llama_sampler_init_top_k(sampling["top_k"]),
            llama.llama_sampler_init_top_p(sampling["top_p"], 1),
            llama.llama_sampler_init_min_p(sampling["min_p"], 1),
            llama.llama_sampler_init_temp(sampling["temperature"]),
            llama.llama_sampler_init_dist(sampling["seed"]),
        ]
    for step in steps:
        llama.llama_sampler_chain_add(chain, step)
    return chain


def commands(stream: BinaryIO, stop: threading.Event) -> Iterator[dict[str, Any]]:
    """The parent's chats. `stop` is set as soon as the parent asks for it; without a parent this process ends."""
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        while True:
            try:
                command = read_message(stream)[0]
            except EOFError:
                os._exit(0)
            if command.get("stop"):
                stop.set()
            else:
                stop.clear()  # here and not at the chat's start: the order of the messages decides
                waiting.put(command)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def main(path: str, n_ctx: int, threads: int) -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what llama.cpp prints must not mix with the answers
    try:
        chat = Chat(Path(path), n_ctx, threads)
    except NativeError as error:
        write_message(out, {"refused": str(error)})
        sys.exit(1)
    write_message(out, {"n_ctx": chat.n_ctx})
    stop = threading.Event()
    for command in commands(sys.stdin.buffer, stop):
        try:
            for text in chat.answer(command["messages"], command["sampling"], stop):
                write_message(out, {"text": text})
            write_message(out, {"done": True})
        except NativeError as error:
            chat.held = []
            write_message(out, {"refused": str(error)})
