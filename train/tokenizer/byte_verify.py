"""The gate for byte-level BPE: `tokenizers`, Hugging Face and llama.cpp must give the same ids, and text come back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lilm.llamacpp.engine import tokenize_lines
from lilm.llamacpp.vocab import write_vocab_gguf
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.byte_merge import unreachable_names
from lilm.train.tokenizer.english import english_changed
from lilm.train.tokenizer.scripts import is_shared
from lilm.train.tokenizer.verify import Candidate, Ids, Report, density
from lilm.vocabulary.byte_level import FILE, complete_tokenizer, load_tokenizer, piece_bytes, read_byte_level


def verify_byte_level(made: Candidate, base_dir: Path) -> Report:
    """Does as `lilm.train.tokenizer.verify.verify`, for folders with a byte-level tokenizer.json."""
    from transformers import AutoTokenizer

    report = Report()
    found, base = read_byte_level(made.folder), read_byte_level(base_dir)
    # of a base that lacks bytes the ids are compared too: the merged tokenizer has these first among what it adds
    merged, old = load_tokenizer(made.folder / FILE), complete_tokenizer(base)
    merged.encode_special_tokens = old.encode_special_tokens = True  # "</s>" written in a text is text
    hf: Any = AutoTokenizer.from_pretrained(made.folder, local_files_only=True)
    write_vocab_gguf(made.folder, made.gguf)

    size, old_size = len(found.names), len(base.names)
    added = [name for index, name in enumerate(found.names[old_size:], old_size) if index not in found.unused]
    dead = set(unreachable_names(found.data, added))
    report.check("reachable pieces").compare(added, added, ["nothing" if name in dead else name for name in added])
    kept, now = ([one.id_to_token(index) for index in range(old_size)] for one in (old, merged))
    report.check("pieces of the base = base").compare(base.names, _filled(kept, base.names), now)
    report.check(f"size is a multiple of {made.multiple}").compare([f"{size} pieces"], [[size % made.multiple]], [[0]])

    touched = _touched(added[len(base.missing) :])
    for name, group in {**made.lines, "adversarial": LINES}.items():
        group = list(group)
        ids: Ids = [one.ids for one in merged.encode_batch(group)]
        hf_ids: Ids = hf(group, split_special_tokens=True, verbose=False)["input_ids"]
        report.check("tokenizers = Hugging Face").compare(group, ids, hf_ids)
        report.check("Hugging Face = llama.cpp").compare(group, hf_ids, tokenize_lines(made.gguf, group))
        texts: Ids = [row[found.adds_bos :] for row in ids]
        report.check("round trip Hugging Face").compare(group, group, [hf.decode(row) for row in texts])

        old_ids: Ids = [one.ids for one in old.encode_batch(group, add_special_tokens=False)]
        if name == made.unchanged and made.may_change:
            report.changed = english_changed(old, merged, group)
        elif name == made.unchanged:
            same = [index for index, line in enumerate(group) if not touched(line)]
            report.check(f"{name} ids = base ids").compare(
                [group[i] for i in same], [texts[i] for i in same], [old_ids[i] for i in same]
            )
        if name in made.lines:
            report.figures[name] = {
                **{f"base_{key}": value for key, value in density(group, old_ids).items()},
                **{f"merged_{key}": value for key, value in density(group, texts).items()},
            }
        made.on_done(name)

    ends = dict.fromkeys((found.bos_id, found.eos_id, *sorted(found.special)))
    marked = [f"東京{token} \n<|user|>\nTokyo {token}{token} 12" for token in (found.names[index] for index in ends)]
    report.check("Hugging Face = llama.cpp with special tokens").compare(
        marked, hf(marked)["input_ids"], tokenize_lines(made.gguf, marked, parse_special=True)
    )
    return report


def _filled(names: Sequence[str | None], fill: Sequence[str]) -> list[str]:
    """Returns the names, with those of ids that the base's file leaves out."""
    return [other if name is None else name for name, other in zip(names, fill, strict=True)]


def _touched(added: Sequence[str]) -> Callable[[str], bool]:
    """Whether a line has a character that new pieces hold, or hold a part of, and English does not."""
    whole: set[str] = set()
    parts: set[bytes] = set()
    for data in map(piece_bytes, added):
        text = data.decode(errors="ignore")
        whole.update(char for char in text if not is_shared(char))
        if not text.strip():
            parts.add(data.lstrip(b" "))

    def touched(line: str) -> bool:
        return any(
            char in whole or any(part in char.encode() for part in parts) for char in set(line) if not char.isascii()
        )

    return touched
