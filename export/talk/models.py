"""Small models of random weights, each with the tokenizer and the template of a chat format."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.chat.files import read_format
from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import START
from lilm.devices import prepare_torch
from lilm.export.gguf_writer import write_gguf
from lilm.export.talk.templates import CHATML, GEMMA, LLAMA3, ZEPHYR
from lilm.json_file import read_json_object
from lilm.pipeline.hashing import write_json
from lilm.recipe import FinetuneConfig
from lilm.train.base.mark_row import write_mark
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.stories import stories
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.byte_level import CONFIG, FILE, byte_alphabet, read_byte_level
from lilm.vocabulary.sentencepiece import CONTROL, read_proto
from lilm.vocabulary.turn_mark import put_mark

PIECES = 1_200
TEXTS = 200  # stories of each language that a tokenizer learns from
UNREACHED = "ĠmarkĠmark"
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class ChatModel:
    """A model to ask for tokens. chosen, vocabulary: as training has them; end: id of what ends an assistant's turn."""

    name: str
    gguf: Path
    chosen: Format
    vocabulary: ChatVocabulary

    @property
    def end(self) -> int:
        return self.vocabulary.control[self.chosen.end_token]

    def taken(self, chat: list[Message]) -> list[Message]:
        """The chat, without the system message for which the format has no place."""
        takes_system = (START, "system") in self.chosen.turns.borders
        return chat if takes_system or chat[0]["role"] != "system" else chat[1:]

    def prompt(self, chat: list[Message]) -> list[int]:
        """What training asks with, up to where the answer begins."""
        return self.vocabulary.ids(self.chosen.turns.parts(chat, add_generation_prompt=True))


def make_model(name: str, folder: Path) -> ChatModel:
    """One of MODELS, written to `folder`: a Hugging Face folder and model-f16.gguf."""
    folder.mkdir(parents=True)
    write, template = MODELS[name]
    bos, eos = write(folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return _opened(name, folder, bos, eos)


def _opened(name: str, folder: Path, bos: int, eos: int) -> ChatModel:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary = chat_vocabulary(tokenizer)
    chosen = choose_format(FinetuneConfig(), read_format(folder), name)
    (folder / "chat_template.jinja").write_text(chosen.template, encoding="utf-8")
    _write_weights(folder, tokenizer.get_vocab_size(), bos, eos)
    gguf = folder / "model-f16.gguf"
    write_gguf(folder, gguf, ("en",))
    return ChatModel(name, gguf, chosen, vocabulary)


def _write_weights(folder: Path, n_vocab: int, bos: int, eos: int) -> None:
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    from lilm.train.base.model_folder import save_llama

    prepare_torch(0, 1)
    shape: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    ends: dict[str, Any] = {"bos_token_id": bos, "eos_token_id": eos}
    model: Any = LlamaForCausalLM(LlamaConfig(vocab_size=n_vocab, max_position_embeddings=256, **shape, **ends))
    model.generation_config = GenerationConfig(**ends)
    save_llama(model, folder)


def _texts() -> list[str]:
    return list(chain(stories("en", TEXTS, 0), stories("ja", TEXTS, 0)))


def _pieces(folder: Path, more: tuple[str, ...] = (), ends: tuple[str, str] = ("<s>", "</s>")) -> tuple[int, int]:
    """A SentencePiece model. more: special tokens after its pieces, of which the last is EOS. Returns BOS and EOS."""
    train_base_tokenizer(_texts(), PIECES, folder / "tokenizer.model")
    proto = read_proto(folder / "tokenizer.model")
    proto.pieces[1].piece, proto.pieces[2].piece = ends
    for text in more:
        proto.pieces.add(piece=text, score=0.0, type=CONTROL)
    eos = len(proto.pieces) - 1 if more else 2
    write_tokenizer(proto, folder, 256, eos)
    return 1, eos


def _unmarked_pieces(folder: Path) -> tuple[int, int]:
    """A SentencePiece model without a control token, which gets one as a base does."""
    train_base_tokenizer(_texts(), PIECES, folder / "tokenizer.model")
    proto = read_proto(folder / "tokenizer.model")
    del proto.pieces[1:3]
    proto.trainer_spec.bos_id = proto.trainer_spec.eos_id = -1
    put_mark(proto)
    write_tokenizer(proto, folder, 256)
    return proto.trainer_spec.bos_id, proto.trainer_spec.eos_id


def _unmarked_bytes(folder: Path) -> tuple[int, int]:
    """The same of a byte-level BPE: the mark is a token to which no merge leads, and that reads as a word."""
    _learn_bytes(folder, (), llama3=False)
    data = read_json_object(folder / FILE)
    data["model"]["vocab"][UNREACHED] = len(data["model"]["vocab"])
    write_json(folder / FILE, data)
    write_mark(folder, folder)
    eos = read_byte_level(folder).eos_id
    return eos, eos


def _byte_level(folder: Path, special: tuple[str, ...], bos: str, eos: str, llama3: bool) -> tuple[int, int]:
    numbers = _learn_bytes(folder, special, llama3)
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos}
    write_json(folder / CONFIG, named)
    return numbers[bos], numbers[eos]


def _learn_bytes(folder: Path, special: tuple[str, ...], llama3: bool) -> dict[str, int]:
    """A byte-level BPE, cut into words as Llama 3's, which puts the first of `special` before a text, or as SmolLM's.
    Returns its tokens' ids."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    cut: list[Any] = [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
    if llama3:
        cut = [pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated")]
        cut += [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer = Tokenizer(models.BPE(ignore_merges=llama3))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence(cut), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=PIECES, initial_alphabet=list(byte_alphabet()), show_progress=False)
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.add_special_tokens(list(special))
    numbers: dict[str, int] = tokenizer.get_vocab()
    if llama3:
        bos = special[0]
        pair = {"single": f"{bos} $A", "pair": f"{bos} $A {bos}:1 $B:1"}
        writes_bos = processors.TemplateProcessing(**pair, special_tokens=[(bos, numbers[bos])])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), writes_bos])
    tokenizer.save(str(folder / FILE))
    return numbers


def _chatml(folder: Path) -> tuple[int, int]:
    return _byte_level(
        folder, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|im_start|>", "<|im_end|>", llama3=False
    )


def _llama3(folder: Path) -> tuple[int, int]:
    special = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    return _byte_level(folder, special, special[0], special[-1], llama3=True)


def _gemma(folder: Path) -> tuple[int, int]:
    return _pieces(folder, ("<start_of_turn>", "<end_of_turn>"), ("<bos>", "<eos>"))


MODELS: dict[str, tuple[Callable[[Path], tuple[int, int]], str | None]] = {
    "plain": (_pieces, None),
    "chatml": (_chatml, CHATML),
    "llama3": (_llama3, LLAMA3),
    "zephyr": (_pieces, ZEPHYR),
    "gemma": (_gemma, GEMMA),
    "made mark": (_unmarked_pieces, None),
    "made mark, bytes": (_unmarked_bytes, None),
}
"""By name: what writes the tokenizer, and the template; None for LiLM's own."""
