"""llama.cpp in a child process: logits, likelihoods, KL divergence and greedy text of a GGUF file.

A child, because native code that crashes (or a file that makes it crash) must not take the run with it,
and because `use_extra_bufts=False`, which avoids one such crash, is out of reach through `llama_cpp.Llama`.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lilm.chat import Message
from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.gguf_file import open_part
from lilm.gguf_parts import ADAPTED, BASE, MODEL, parts_of
from lilm.llamacpp.client import LlamaClient, Refused
from lilm.pipeline.artifact import how_to_replace
from lilm.recipe import SamplingConfig
from lilm.report.units import size

_UNWRITTEN = "iostream"  # in what the C++ library says of a file that cannot be written


@dataclass(frozen=True)
class Score:
    """One window: a value per predicted token, that is for each token but the first.

    nll: negative log-likelihood, nats. best: whether no other token is likelier. kld: KL(reference || model), nats, and
    same_top: whether both hold the same token for the best; both None without a reference. states: of all tokens
    [tokens, n_embd], where they are kept. seconds: of the model's own decoding.
    """

    nll: NDArray[np.float64]
    best: NDArray[np.bool_]
    kld: NDArray[np.float64] | None
    same_top: NDArray[np.bool_] | None
    seconds: float
    states: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Continuation:
    """Greedy text. gaps: per token, the best logit minus the second best. seconds: without the prompt's decoding."""

    ids: tuple[int, ...]
    text: str
    gaps: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Drawn:
    """Text drawn by chance. ended: by the model, with an end-of-text token, which is not among the ids."""

    ids: tuple[int, ...]
    text: str
    ended: bool


class Engine(Closing):
    """A GGUF file open in a child process, on the CPU; use it in a `with`.

    model, reference: GGUF files; the reference is what `score` compares with and has the same vocabulary.
    n_ctx: longest sequence, tokens. threads: of llama.cpp; part of what decides a logit's last bits.
    exact: keys and values in F32 and plain attention, to compare arithmetic; without it flash attention with those of
    kv_type, f16 or q8_0.
    eager: threads spin at barriers, for measuring speed on a quiet machine; without it they sleep.
    watched: for `steps`. lora: an adapter to load over the model, a GGUF file too.
    keep_states: `score` gives the hidden states too. states: a file of the reference's, which is not decoded then.
    Its bos_id is what stands before a text, also where `tokenize` puts nothing there; its eos_token the text of EOS;
    load_s the seconds in which the model was read, every number checked.
    Raises LilmError when a file is missing or llama.cpp cannot load it.
    """

    def __init__(
        self,
        model: Path,
        *,
        n_ctx: int,
        threads: int,
        reference: Path | None = None,
        exact: bool = False,
        kv_type: str = "f16",
        eager: bool = False,
        watched: bool = False,
        lora: Path | None = None,
        keep_states: bool = False,
        states: Path | None = None,
    ) -> None:
        for path in (model, reference, lora):
            if path is not None:
                check_gguf(path)
        if lora is not None:
            check_adapter(lora, model)
        self.model, self.reference, self._keeps_states = model, reference, keep_states
        files = {"path": str(model), "reference": str(reference) if reference else None}
        sizes = {
            "n_ctx": n_ctx,
            "threads": threads,
            "exact": exact,
            "kv_type": kv_type,
            "watched": watched,
            "keep_states": keep_states,
        }
        files |= {"lora": str(lora) if lora else None, "states": str(states) if states else None}
        where = f"{model} (against {reference})" if reference else f"{model} with {lora}" if lora else str(model)
        self._client = LlamaClient(model, {"do": "open", **files, **sizes}, eager=eager, where=where)
        opened = self._client.opened
        self.n_vocab: int = opened["n_vocab"]
        self.n_ctx_train: int = opened["n_ctx_train"]
        self.bos_id: int = opened["bos_id"]
        self.eos_token: str = opened["eos_token"]
        self.load_s: float = opened["seconds"]

    def _ask(self, do: str, **values: Any) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        try:
            return self._client.ask(do, **values)
        except Refused as error:
            raise ValueError(f"{self.model}: {error}") from error

    def tokenize(self, text: str, *, add_bos: bool = True, parse_special: bool = False) -> list[int]:
        """llama.cpp's own ids. parse_special: `</s>` in the text is the token and not four characters."""
        ids: list[int] = self._ask("tokenize", texts=[text], add_bos=add_bos, parse_special=parse_special)[0]["ids"][0]
        return ids

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens stand for; control tokens for nothing."""
        return str(self._ask("text", tokens=list(tokens))[0]["text"])

    def tokenize_chat(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a chat up to where the answer begins, by the file's own template; messages are text throughout.

        Raises ValueError when there is no template, or it refuses the chat.
        """
        ids: list[int] = self._ask("tokenize_chat", messages=[dict(message) for message in messages])[0]["ids"]
        return ids

    def logits(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Logits [len(tokens), n_vocab] of one window, from an empty context."""
        return self._ask("logits", tokens=list(tokens))[1][0]

    def steps(self, tokens: Sequence[int], names: str) -> list[tuple[str, NDArray[np.float32]]]:
        """Results of the graph's steps whose name matches `names`, as they are computed: (name, values, flat)."""
        head, arrays = self._ask("steps", tokens=list(tokens), names=names)
        return list(zip(head["names"], arrays, strict=True))

    def score(self, tokens: Sequence[int], row: int = 0) -> Score:
        """Likelihoods of one window of at least two tokens, and the divergence from the reference. row: of the first
        token in the file of the reference's states.

        Logits stay in the child: 512 tokens over 50,000 pieces have 100 MB of them, and no more are there at once.
        """
        if len(tokens) < 2:
            raise ValueError(f"a window of {len(tokens)} tokens predicts nothing")
        head, arrays = self._ask("score", tokens=list(tokens), row=row)
        states = arrays.pop() if self._keeps_states else None
        nll, best, *others = arrays
        kld, same_top = others or (None, None)
        return Score(nll, best, kld, same_top, head["seconds"], states)

    def greedy(self, prompt: str | Sequence[int], n_predict: int, *, stop: bool = True) -> Continuation:
        """Go on with the best token each time. A text prompt gets BOS in front.

        stop: end before an end-of-text token; else exactly `n_predict` tokens.
        """
        tokens = self.tokenize(prompt) if isinstance(prompt, str) else list(prompt)
        head, _ = self._ask("greedy", tokens=tokens, n_predict=n_predict, stop=stop)
        return Continuation(tuple(head["ids"]), head["text"], tuple(head["gaps"]), head["seconds"])

    def sample(self, tokens: Sequence[int], sampling: SamplingConfig, n_predict: int, seed: int) -> Drawn:
        """Go on after `tokens` as `sampling` draws, until an end-of-text token or for `n_predict` tokens."""
        options = {**sampling.model_dump(), "n_predict": n_predict, "seed": seed}
        head, _ = self._ask("sample", tokens=list(tokens), sampling=options)
        return Drawn(tuple(head["ids"]), head["text"], head["ended"])

    def speed(self, n_prompt: int, n_predict: int) -> tuple[float, float]:
        """Tokens a second: of a prompt, as a chat evaluates it, and of the tokens after it, one by one."""
        head, _ = self._ask("speed", n_prompt=n_prompt, n_predict=n_predict)
        return head["prefill"], head["decode"]

    def peak_memory(self) -> int | None:
        """The most memory that the child had resident so far, bytes; None where the system does not tell."""
        peak: int | None = self._ask("memory")[0]["peak_bytes"]
        return peak

    def close(self) -> None:
        self._client.close()


def check_gguf(path: Path) -> None:
    """Raises LilmError when `path` is not there or does not begin like a GGUF file."""
    if path.is_dir():
        remedy = "give one of its files; of a run, one that ends in .gguf in its folder export"
        raise LilmError("a folder, not a GGUF file", where=str(path), remedy=remedy)
    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="correct it; `lilm run --to export` makes GGUF files")
    with path.open("rb") as file:
        head = file.read(4)
    if head != b"GGUF":
        raise LilmError(f"not a GGUF file (begins with {head!r})", where=str(path), remedy=how_to_replace(path))


def check_adapter(lora: Path, model: Path) -> None:
    """Raises LilmError when an adapter that names its base is to go over another model: where the shapes are the same,
    as in a model that holds it already, llama.cpp loads it, and it writes other text."""
    wanted = open_part(lora).value(ADAPTED, str)
    if wanted is not None and open_part(parts_of(model)[0]).value(ADAPTED, str) != wanted:
        remedy = f"give a {BASE}-….gguf that was exported with it; {MODEL}-….gguf files hold it already"
        raise LilmError(f"the adapter does not go over {model}", where=str(lora), remedy=remedy)


def tokenize_lines(
    path: Path, lines: Sequence[str], *, add_bos: bool = True, parse_special: bool = False
) -> list[list[int]]:
    """Token ids of each line by llama.cpp, with the vocabulary of the GGUF file at `path`, which may hold nothing else.

    parse_special: `</s>` in the text is the token, not four characters.
    Raises LilmError when llama.cpp cannot load the file, or crashes.
    """
    check_gguf(path)
    with LlamaClient(path, {"do": "open_vocabulary", "path": str(path)}) as client:
        head, _ = client.ask("tokenize", texts=list(lines), add_bos=add_bos, parse_special=parse_special)
    ids: list[list[int]] = head["ids"]
    return ids


def quantize(
    source: Path, target: Path, ftype: int, *, threads: int, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """llama.cpp's `llama_model_quantize` in a child. ftype: its `llama_ftype`; on_progress: (tensors done, all).

    Raises LilmError with llama.cpp's message; `target` may then be half-written.
    """
    check_gguf(source)
    with LlamaClient(source) as client:
        files = {"source": str(source), "target": str(target)}
        counts = client.parts("quantize", **files, ftype=ftype, threads=threads)
        try:
            for done, total in counts:
                if on_progress is not None:
                    on_progress(done, total)
        except Refused as error:
            if _UNWRITTEN in str(error):
                free = size(shutil.disk_usage(target.parent).free)
                what = f"llama.cpp cannot write the file to the end; {free} are free on the disk"
                raise LilmError(what, where=str(target), remedy="free some space") from error
            what, remedy = f"llama.cpp cannot quantise it: {error}", how_to_replace(source)
            raise LilmError(what, where=str(source), remedy=remedy) from error
