"""Stage tokenizer: learn the language's pieces, merge them into the base's vocabulary, verify every runtime."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import TokenizerConfig
from lilm.report.units import FEW_TOKENS

SAMPLES = 50  # unreachable pieces named in the report
ENGLISH_CHARS = 5_000_000  # of English that new pieces in Latin letters are measured on


def run(config: TokenizerConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Write tokenizer.json, tokenizer_config.json, report.json and, where the base has one, tokenizer.model.

    With `pieces` 0 nothing is learnt: the base's own pieces, in the files that the stages after it read. Raises
    LilmError when the base's vocabulary is none that can be merged, when the corpus has too little text, or when the
    runtimes disagree on a line.
    """
    from lilm.train.tokenizer.kinds import open_base
    from lilm.train.tokenizer.texts import heldout_lines, learning_texts
    from lilm.train.tokenizer.verify import Candidate

    corpus = inputs["corpus"]
    base = open_base(inputs["base"])
    languages = (context.language, context.base_language)

    texts = list(learning_texts(corpus, context.language, config.train_chars)) if config.pieces else []
    chars = sum(map(len, texts))
    if config.pieces:
        context.reporter.say(f"  learning {config.pieces} pieces from {chars:,} characters, the best-scored")
    else:
        context.reporter.say("  no new pieces: the base's own vocabulary is kept")
    english = english_to_keep(corpus, context, texts)
    made = base.write_merged(texts, config, context.language, out_dir, context_length(inputs["base"]), english)
    keep_template(inputs["base"], out_dir)
    context.reporter.say(
        f"  {made.base_vocab_size} + {made.pieces_added} pieces + {made.pieces_unused} unused = {made.vocab_size}"
    )

    limits = (config.verify_lines, None)
    lines = {
        language: heldout_lines(corpus, language, limit) for language, limit in zip(languages, limits, strict=True)
    }
    work = out_dir / "checkpoints"
    work.mkdir(exist_ok=True)
    gguf = work / "vocab.gguf"
    try:
        with context.reporter.bar("verify", len(languages) + 1) as bar:
            report = base.verify(
                Candidate(
                    out_dir,
                    lines,
                    context.base_language,
                    gguf,
                    config.multiple,
                    on_done=lambda name: bar.advance(1, name),
                    may_change=english is not None,
                )
            )
    finally:
        gguf.unlink(missing_ok=True)
        work.rmdir()
    report.raise_on_mismatch(str(out_dir))
    if report.changed is not None:
        report.changed.refuse_beyond(config.max_english_changed)
        context.reporter.say(
            f"  {report.changed.share:.3%} of the held-out English tokens become others; "
            f"{made.left_out:,} pieces were left out, which would have changed more"
        )

    for language, found in lines.items():
        tokens = report.figures[language]["merged_tokens"]
        if tokens < FEW_TOKENS and len(found) < config.verify_lines:
            context.reporter.say(
                f"  warning: only {tokens:,} held-out tokens of {language}: too little to tell how good a model is; "
                "give more text, or hold out more of it (corpus.heldout)"
            )

    measurements = {
        "vocab_size": made.vocab_size,
        "base_vocab_size": made.base_vocab_size,
        "characters_read": chars,
        "pieces_wanted": config.pieces,
        "pieces_added": made.pieces_added,
        "characters_added": made.characters_added,
        "pieces_known": made.pieces_known,
        "pieces_unused": made.pieces_unused,
        "characters_left_to_bytes": made.characters_left_to_bytes,
        "share_left_to_bytes": round(made.share_left_to_bytes, 6),
        "unreachable_dropped": len(made.unreachable),
        "left_out_for_english": made.left_out,
        **report.as_json(),
    }
    write_json(out_dir / "report.json", {**measurements, "unreachable_samples": made.unreachable[:SAMPLES]})
    return Artifact(measurements)


def english_to_keep(corpus: Path, context: Context, texts: Sequence[str]) -> list[str] | None:
    """English of the corpus that new pieces may hardly change, where the language is in Latin letters; else None."""
    from lilm.train.tokenizer.scripts import count_characters, is_in_latin
    from lilm.train.tokenizer.texts import learning_texts

    if not texts or not is_in_latin(count_characters(texts), context.language):
        return None
    return list(learning_texts(corpus, context.base_language, ENGLISH_CHARS))


def keep_template(base: Path, out_dir: Path) -> None:
    """Put the base's chat template, if it has one, into tokenizer_config.json. A BOS that marks turns is none there."""
    from lilm.chat.files import read_chat_template, read_format
    from lilm.chat.marks import text_mark

    template = read_chat_template(base)
    if template is None:
        return
    path = out_dir / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"chat_template": template}
    if config["bos_token"] and not config["add_bos_token"]:
        config["bos_token"] = text_mark(config["bos_token"], template, read_format(out_dir).special)
    write_json(path, config)


def context_length(base: Path) -> int:
    """`max_position_embeddings` of the base's config.json."""
    path = base / "config.json"
    found = read_json_object(path).get("max_position_embeddings")
    if not isinstance(found, int):
        raise LilmError("no max_position_embeddings", where=str(path), remedy="give a Llama folder")
    return found
