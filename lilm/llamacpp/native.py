"""llama.cpp's C functions as few Python ones. Imported in the child only: a crash here ends the process."""

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as llama
from llama_cpp._ctypes_extensions import load_shared_library
from numpy.typing import NDArray

from lilm.llamacpp.characters import Characters

N_UBATCH = 512  # tokens per graph; fixed, since the shape of a matrix product decides its last bits
POOL_BYTES = 512 << 20  # of keys and values that several sequences share, where one alone does not need more
DEBUG_LEVEL, ERROR_LEVEL, CONTINUE_LEVEL = 1, 4, 5  # ggml_log_level

LLAMA_FTYPE_ALL_F32 = 0

Progress = Callable[[int, int], None]


class NativeError(Exception):
    """llama.cpp refused; the text is what it logged."""


class Log:
    """llama.cpp says what went wrong only here. All but debug lines goes to stderr, the errors are also kept."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._level = 0
        self.on_line: Callable[[str], None] | None = None
        self._callback = llama.llama_log_callback(self._take)  # kept: ctypes does not
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _user_data: Any) -> None:
        said = text.decode("utf-8", errors="replace")
        self._level = self._level if level == CONTINUE_LEVEL else level
        if self._level != DEBUG_LEVEL:
            sys.stderr.write(said)
            sys.stderr.flush()
        if level == ERROR_LEVEL and said.strip():
            self.errors.append(said.strip())
        if self.on_line is not None:
            self.on_line(said)

    def failure(self) -> NativeError:
        return NativeError("; ".join(self.errors) or "no reason given")


class Watcher:
    """Keeps the results of a graph's steps (llama.cpp's cb_eval), those whose name matches `names`."""

    def __init__(self) -> None:
        self.names: re.Pattern[str] | None = None
        self.found: list[tuple[str, NDArray[np.float32]]] = []
        self._ggml = ggml = load_shared_library("ggml-base", Path(llama.__file__).parent / "lib")
        ggml.ggml_get_name.restype = ctypes.c_char_p
        ggml.ggml_nelements.restype = ctypes.c_int64
        ggml.ggml_get_data.restype = ctypes.c_void_p
        ggml.ggml_is_contiguous.restype = ctypes.c_bool
        for function in (ggml.ggml_get_name, ggml.ggml_nelements, ggml.ggml_get_data, ggml.ggml_is_contiguous):
            function.argtypes = [ctypes.c_void_p]
        self.callback = llama.ggml_backend_sched_eval_callback(self._take)  # kept: ctypes does not

    def _take(self, tensor: int, ask: bool, _user_data: Any) -> bool:
        name = self._ggml.ggml_get_name(tensor).decode()
        wanted = self.names is not None and self.names.match(name) is not None
        if wanted and not ask and self._ggml.ggml_is_contiguous(tensor):
            shape = (self._ggml.ggml_nelements(tensor),)
            values = ctypes.cast(self._ggml.ggml_get_data(tensor), ctypes.POINTER(ctypes.c_float))
            self.found.append((name, np.ctypeslib.as_array(values, shape).copy()))
        return not ask or wanted


KV_TYPES = {"f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0}


class Vocabulary:
    """The tokens of a GGUF file.

    only: read nothing else of the file. Raises NativeError when llama.cpp cannot load it.
    """

    def __init__(self, path: Path, log: Log, only: bool = True) -> None:
        log.errors.clear()
        params = llama.llama_model_default_params()
        params.vocab_only = only
        params.n_gpu_layers = 0
        params.use_extra_bufts = False  # llama.cpp #20824: repacking for AMX crashes on quantised files
        params.check_tensors = True
        self.model = llama.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise log.failure()
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.n_vocab: int = llama.llama_vocab_n_tokens(self.vocab)
        self.bos_id: int = llama.llama_vocab_bos(self.vocab)
        self.eos_token = self.text(llama.llama_vocab_eos(self.vocab))

    def text(self, token: int) -> str:
        """How the file writes a token; "" for -1, a token that is missing. Not every file writes in UTF-8: what is
        none survives as surrogates."""
        return str(llama.llama_vocab_get_text(self.vocab, token).decode(errors="surrogateescape")) if token >= 0 else ""

    def tokenize(self, text: str, add_bos: bool, parse_special: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 8  # every byte its own token, BOS and what may stand before the first word
        tokens = (llama.llama_token * room)()
        count = llama.llama_tokenize(self.vocab, data, len(data), tokens, room, add_bos, parse_special)
        if count < 0:
            raise NativeError(f"llama_tokenize needs {-count} tokens for {len(data)} bytes")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """Bytes of one token's text; control tokens have none."""
        room = 256
        buffer = ctypes.create_string_buffer(room)
        size = llama.llama_token_to_piece(self.vocab, token, buffer, room, 0, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = llama.llama_token_to_piece(self.vocab, token, buffer, -size, 0, False)
        return ctypes.string_at(buffer, size)

    @cached_property
    def characters(self) -> Characters:
        return Characters(self.piece(token) for token in range(self.n_vocab))

    @cached_property
    def silent(self) -> NDArray[np.int64]:
        """Tokens that write nothing and end nothing, as most special ones."""
        return np.array([at for at in range(self.n_vocab) if not self.piece(at) and not self.is_end(at)], np.int64)

    def is_end(self, token: int) -> bool:
        return bool(llama.llama_vocab_is_eog(self.vocab, token))


class Model(Vocabulary):
    """A GGUF file and one context of `n_ctx` tokens on it.

    lora: an adapter to load over it.
    as_trained: of not more tokens than it saw at once in training.
    exact: keys and values in F32 and plain attention, instead of those of kv_type (of KV_TYPES) and flash attention.
    watched: for `steps`. states: for `states`.
    parallel: sequences for `decode`, of n_ctx tokens at most each; together they have n_cells.
    Raises NativeError when llama.cpp cannot load the file.
    """

    def __init__(
        self,
        path: Path,
        n_ctx: int,
        threads: int,
        log: Log,
        exact: bool = False,
        kv_type: str = "f16",
        watched: bool = False,
        as_trained: bool = False,
        lora: Path | None = None,
        states: bool = False,
        parallel: int = 1,
    ) -> None:
        super().__init__(path, log, only=False)
        self.n_ctx_train: int = llama.llama_model_n_ctx_train(self.model)
        self.n_ctx = n_ctx = min(n_ctx, self.n_ctx_train) if as_trained else n_ctx
        context = llama.llama_context_default_params()
        self.parallel, self.n_step = parallel, max(min(n_ctx, N_UBATCH), parallel)
        self.n_cells = max(n_ctx, min(parallel * n_ctx, POOL_BYTES // self._cell_bytes()))
        context.n_ctx, context.n_batch, context.n_ubatch = self.n_cells, max(n_ctx, parallel), self.n_step
        context.n_seq_max, context.kv_unified = parallel, parallel > 1
        context.n_threads = context.n_threads_batch = threads
        context.type_k = context.type_v = KV_TYPES[kv_type]
        if exact:
            context.type_k = context.type_v = llama.GGML_TYPE_F32
            context.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if states:
            context.embeddings, context.pooling_type = True, llama.LLAMA_POOLING_TYPE_NONE
        self._watcher = Watcher() if watched else None
        if self._watcher is not None:
            context.cb_eval = self._watcher.callback
        self.context = llama.llama_init_from_model(self.model, context)
        if not self.context:
            raise log.failure()
        if lora is not None:
            self._add_lora(lora, log)
        self._log = log
        self._memory = llama.llama_get_memory(self.context)
        self._batch = llama.llama_batch_init(max(n_ctx, parallel), 0, 1)

    def _cell_bytes(self) -> int:
        """Bytes of a token's keys and values in F16, as most Llamas have heads of n_embd // n_head."""
        heads, kv_heads = llama.llama_model_n_head(self.model), llama.llama_model_n_head_kv(self.model)
        return 4 * int(llama.llama_model_n_layer(self.model) * kv_heads * llama.llama_model_n_embd(self.model) // heads)

    def _add_lora(self, path: Path, log: Log) -> None:
        """llama.cpp frees it with the model."""
        log.errors.clear()
        adapter = llama.llama_adapter_lora_init(self.model, os.fsencode(path))
        if not adapter:
            raise log.failure()
        adapters, scales = (llama.llama_adapter_lora_p_ctypes * 1)(adapter), (ctypes.c_float * 1)(1.0)
        if llama.llama_set_adapters_lora(self.context, adapters, 1, scales) != 0:
            raise log.failure()

    def steps(self, tokens: list[int], names: str) -> list[tuple[str, NDArray[np.float32]]]:
        """Results of the graph's steps whose name matches `names`, in the order of their computation: (name, values,
        flat). From a fresh sequence; by `watcher`, which the model was opened with."""
        watcher = self._watcher
        if watcher is None:
            raise NativeError("the model is not watched")
        watcher.names, watcher.found = re.compile(names), []
        try:
            self.logits(tokens)
            return watcher.found
        finally:
            watcher.names, watcher.found = None, []

    def logits(self, tokens: list[int]) -> NDArray[np.float32]:
        """Logits [len(tokens), n_vocab] of a fresh sequence. They are overwritten by the next call."""
        self.forget()
        return self.extend(tokens, 0, every=True)

    def begin(self, tokens: list[int]) -> NDArray[np.float32]:
        """Logits [1, n_vocab] of the last token of a fresh sequence."""
        self.forget()
        return self.extend(tokens, 0, every=False)

    def forget(self) -> None:
        """Empty the context: `extend` begins a fresh sequence at 0."""
        llama.llama_memory_clear(self._memory, True)

    @contextmanager
    def aborted_by(self, wanted: Callable[[], bool]) -> Iterator[None]:
        """While the block runs, `extend` ends as soon as `wanted` answers True, with a NativeError. It is asked at each
        step of the graph: for a long prompt, whose steps are long too."""
        callback = llama.ggml_abort_callback(lambda _: wanted())
        llama.llama_set_abort_callback(self.context, callback, None)
        try:
            yield
        finally:
            llama.llama_set_abort_callback(self.context, llama.ggml_abort_callback(), None)

    def last_logits(self, at: int = -1) -> NDArray[np.float32]:
        """Logits [n_vocab] of what comes next, or after the token `at` of what was read at once, as a sampler reads
        them: what is changed here is changed for it."""
        return np.ctypeslib.as_array(llama.llama_get_logits_ith(self.context, at), (self.n_vocab,))

    def extend(self, tokens: list[int], start: int, every: bool) -> NDArray[np.float32]:
        """Go on from position `start`. Logits of each token, or [1, n_vocab] of the last."""
        count = len(tokens)
        if not 0 < count <= self.n_ctx - start:
            raise NativeError(f"{count} tokens from position {start} do not fit a context of {self.n_ctx}")
        self.decode([(token, start + i, 0, every or i == count - 1) for i, token in enumerate(tokens)])
        rows = count if every else 1
        return np.ctypeslib.as_array(llama.llama_get_logits(self.context), (rows, self.n_vocab))

    def decode(self, items: Sequence[tuple[int, int, int, bool]]) -> None:
        """Reads (token, position, sequence, whether its logits are wanted), at once where they are n_step at most."""
        bad = [token for token, *_ in items if not 0 <= token < self.n_vocab]
        if bad:
            raise NativeError(f"token {bad[0]} is outside the vocabulary of {self.n_vocab}")
        batch = self._batch
        batch.n_tokens = len(items)
        for i, (token, position, sequence, wanted) in enumerate(items):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted
        self._log.errors.clear()
        if llama.llama_decode(self.context, batch) != 0:
            raise self._log.failure()

    def forget_sequence(self, sequence: int) -> None:
        """Give back the cells of one."""
        llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def states(self, count: int) -> NDArray[np.float32]:
        """Hidden states [count, n_embd] of the tokens that `extend` took, as the head reads them: after the last norm.
        Of a model that was opened with `states`. They are overwritten by the next call."""
        n_embd = llama.llama_model_n_embd(self.model)
        return np.ctypeslib.as_array(llama.llama_get_embeddings(self.context), (count, n_embd))


def quantize(source: Path, target: Path, ftype: int, threads: int, log: Log, progress: Progress) -> None:
    """llama_model_quantize. Raises NativeError with what llama.cpp logged."""

    def watch(line: str) -> None:
        if line.startswith("["):  # "[   3/  39] blk.0.attn_k.weight - ["
            counts = line[1:].split("]")[0].split("/")
            if len(counts) == 2:
                progress(int(counts[0]), int(counts[1]))

    params = llama.llama_model_quantize_default_params()
    params.ftype = ftype
    params.allow_requantize = ftype == LLAMA_FTYPE_ALL_F32  # widening loses nothing
    params.nthread = threads
    log.errors.clear()
    log.on_line = watch
    try:
        code = llama.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    finally:
        log.on_line = None
    if code != 0:
        raise log.failure()
