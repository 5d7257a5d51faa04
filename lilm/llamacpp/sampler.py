"""llama.cpp's sampler chain. Imported in the child only, as `native` is."""

import ctypes
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as llama
from llama_cpp.llama_grammar import json_schema_to_gbnf
from numpy.typing import NDArray

from lilm.closing import Closing
from lilm.llamacpp.characters import BETWEEN
from lilm.llamacpp.native import Model, NativeError

# Of the converter's rules for a character of a text: without this a text may hold a line end or, by a pattern, the
# quote that ends it, and what is written is no JSON. llama.cpp's own converter leaves them out.
RAW = {
    r'char ::= [^"\\] |': r'char ::= [^"\\\x7F\x00-\x1F] |',
    r"dot ::= [^\x0A\x0D]": r'dot ::= [^"\\\x7F\x00-\x1F]',
}


class Sampler(Closing):
    """Draws tokens in the order of llama.cpp's own tools. Temperature 0 takes the best token. Only what makes whole
    characters is drawn.

    sampling: SamplingConfig's values. schema: a JSON schema that the text follows; tokens that break it are never
    drawn, and where it is fulfilled only an end-of-text token is left. A token is drawn without it first, and again
    among those that it allows only when it forbids that one, as in llama.cpp's tools: to ask it about each token of a
    vocabulary takes longer than to compute their logits. Raises NativeError for one that llama.cpp cannot follow, and
    where none of the tokens is allowed.
    """

    def __init__(
        self, sampling: Mapping[str, Any], model: Model, seed: int, schema: Mapping[str, Any] | None = None
    ) -> None:
        self._model, self._state, self._last_n = model, BETWEEN, sampling["repeat_last_n"]
        self._schema = None if schema is None else _grammar(schema, model)
        self._penalties = llama.llama_sampler_init_penalties(
            model.n_vocab, self._last_n, sampling["repeat_penalty"], 0.0, 0.0
        )
        steps = [self._penalties]
        if sampling["temperature"] <= 0:
            steps.append(llama.llama_sampler_init_greedy())
        else:
            steps += [
                llama.llama_sampler_init_top_k(sampling["top_k"]),
                llama.llama_sampler_init_top_p(sampling["top_p"], 1),
                llama.llama_sampler_init_min_p(sampling["min_p"], 1),
                llama.llama_sampler_init_temp(sampling["temperature"]),
                llama.llama_sampler_init_dist(seed),
            ]
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for step in steps:
            llama.llama_sampler_chain_add(self._chain, step)

    def remember(self, tokens: Sequence[int]) -> None:
        """Tell it what stands there already: repetition counts the last of it; a schema is about the new text alone."""
        for token in tokens[-self._last_n or len(tokens) :]:
            llama.llama_sampler_accept(self._penalties, token)

    def draw(self, at: int = -1) -> int:
        """Returns the token that comes after what the model read last, or after the token `at` of what it read at
        once."""
        logits = self._model.last_logits(at)
        self._model.characters.mask(logits, self._state)
        if self._schema is not None:  # which takes a special token for the letters of its name, and counts them
            logits[self._model.silent] = -np.inf
        token = self._drawn(logits, at)
        self._state = self._model.characters.after(self._state, token)
        return token

    def _drawn(self, logits: NDArray[np.float32], at: int) -> int:
        """logits: [n_vocab], where the context has them for the token `at`."""
        if self._schema is None:
            return int(llama.llama_sampler_sample(self._chain, self._model.context, at))
        token = _best(_Candidates(np.arange(len(logits)), logits), self._chain)
        alone = _Candidates(np.array([token]), np.zeros(1))
        llama.llama_sampler_apply(self._schema, alone.reference)
        if not np.isfinite(alone.data["logit"][0]):
            allowed = _Candidates(np.arange(len(logits)), logits)
            llama.llama_sampler_apply(self._schema, allowed.reference)
            if not np.isfinite(allowed.data["logit"]).any():
                raise NativeError("the JSON schema asks here for characters that this model cannot write")
            token = _best(allowed, self._chain)
        for sampler in (self._schema, self._chain):
            llama.llama_sampler_accept(sampler, token)
        return token

    def close(self) -> None:
        for sampler in (self._chain, self._schema):
            if sampler:
                llama.llama_sampler_free(sampler)
        self._chain = self._schema = None


class _Candidates:
    """Tokens with their logits as samplers take them; `data` is what they write to."""

    def __init__(self, tokens: NDArray[np.integer[Any]], logits: NDArray[np.floating[Any]]) -> None:
        self.data = np.zeros(len(tokens), [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        self.data["id"], self.data["logit"] = tokens, logits
        start = self.data.ctypes.data_as(llama.llama_token_data_p)
        self.array = llama.llama_token_data_array(data=start, size=len(tokens), selected=-1, sorted=False)
        self.reference = ctypes.byref(self.array)


def _best(candidates: _Candidates, *samplers: Any) -> int:
    """The token that the samplers choose, one after the other."""
    for sampler in samplers:
        llama.llama_sampler_apply(sampler, candidates.reference)
    return int(candidates.array.data[candidates.array.selected].id)


def _grammar(schema: Mapping[str, Any], model: Model) -> Any:
    try:
        grammar = "\n" + json_schema_to_gbnf(json.dumps(schema))
    except Exception as error:  # the converter raises whatever an odd schema makes it stumble over
        raise NativeError(f"the JSON schema cannot be followed ({type(error).__name__}: {error})") from error
    for raw, escaped in RAW.items():
        grammar = grammar.replace(f"\n{raw}", f"\n{escaped}")
    sampler = llama.llama_sampler_init_grammar(model.vocab, grammar.encode(errors="replace"), b"root")
    if not sampler:
        raise NativeError("the JSON schema cannot be followed: llama.cpp does not take the grammar made of it")
    return sampler
