"""llama.cpp's sampler chain. Imported in the child only, as `native` is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llama_cpp import llama_cpp as llama
from llama_cpp.llama_grammar import json_schema_to_gbnf

from lilm.closing import Closing
from lilm.llamacpp.native import Model, NativeError


class Sampler(Closing):
    """Draws tokens in the order of llama.cpp's own tools. Temperature 0 takes the best token.

    sampling: SamplingConfig's values. schema: a JSON schema that the text follows; tokens that break it are never
    drawn, and where it is fulfilled only an end-of-text token is left. Raises NativeError for one that llama.cpp cannot
    follow.
    """

    def __init__(
        self, sampling: Mapping[str, Any], model: Model, seed: int, schema: Mapping[str, Any] | None = None
    ) -> None:
        self._model, self._last_n = model, sampling["repeat_last_n"]
        steps = [] if schema is None else [_grammar(schema, model)]
        self._penalties = llama.llama_sampler_init_penalties(
            model.n_vocab, self._last_n, sampling["repeat_penalty"], 0.0, 0.0
        )
        steps.append(self._penalties)
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

    def draw(self) -> int:
        """The token that comes after what the model read last."""
        return int(llama.llama_sampler_sample(self._chain, self._model.context, -1))

    def close(self) -> None:
        chain, self._chain = self._chain, None
        if chain:
            llama.llama_sampler_free(chain)


def _grammar(schema: Mapping[str, Any], model: Model) -> Any:
    try:
        grammar = json_schema_to_gbnf(json.dumps(schema))
    except Exception as error:  # the converter raises whatever an odd schema makes it stumble over
        raise NativeError(f"the JSON schema cannot be followed ({type(error).__name__}: {error})") from error
    sampler = llama.llama_sampler_init_grammar(model.vocab, grammar.encode(errors="replace"), b"root")
    if not sampler:
        raise NativeError("the JSON schema cannot be followed: llama.cpp does not take the grammar made of it")
    return sampler
