"""Stage tokenizer: learn the language's pieces, merge them into the base's vocabulary, verify every runtime."""

import json
from collections.abc import Mapping
from pathlib import Path

from lilm.artifact import Artifact
from lilm.errors import LilmError
from lilm.hashing import write_json
from lilm.recipe import TokenizerConfig
from lilm.stage import Context

SAMPLES = 50  # unreachable pieces named in the report


def run(config: TokenizerConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Write tokenizer.model, tokenizer.json, tokenizer_config.json and report.json.

    Raises LilmError when the base's vocabulary is none that can be merged, when the corpus has too little
    text, or when the runtimes disagree on a line.
    """
    from lilm.train.tokenizer.hf import write_tokenizer
    from lilm.train.tokenizer.merge import merge_pieces, normal_pieces, read_base
    from lilm.train.tokenizer.texts import heldout_lines, learning_texts
    from lilm.train.tokenizer.train import train_sentencepiece
    from lilm.train.tokenizer.verify import verify

    corpus, base_model = inputs["corpus"], inputs["base"] / "tokenizer.model"
    base = read_base(base_model)
    languages = (context.language, context.base_language)

    texts = list(learning_texts(corpus, context.language, config.train_chars))
    chars = sum(map(len, texts))
    context.reporter.say(f"  learning {config.pieces} pieces from {chars:,} characters, the best-scored")
    learnt = train_sentencepiece(texts, config, normal_pieces(base), context.language)
    merged = merge_pieces(base, learnt, config.pieces, config.multiple)
    write_tokenizer(merged.proto, out_dir, context_length(inputs["base"]))
    context.reporter.say(
        f"  {merged.base_size} + {len(merged.added)} pieces + {merged.padding} unused = {len(merged.proto.pieces)}"
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
            report = verify(
                out_dir,
                base_model,
                lines,
                context.base_language,
                gguf,
                lambda name: bar.advance(1, name),
                config.multiple,
            )
    finally:
        gguf.unlink(missing_ok=True)
        work.rmdir()
    report.raise_on_mismatch(str(out_dir))

    measurements = {
        "vocab_size": len(merged.proto.pieces),
        "base_vocab_size": merged.base_size,
        "characters_read": chars,
        "pieces_wanted": config.pieces,
        "pieces_added": len(merged.added),
        "characters_added": sum(len(piece) == 1 for piece in merged.added),
        "pieces_known": merged.known,
        "pieces_unused": merged.padding,
        "characters_left_to_bytes": learnt.skipped,
        "share_left_to_bytes": round(learnt.skipped_share, 6),
        "unreachable_dropped": len(merged.unreachable),
        **report.as_json(),
    }
    write_json(out_dir / "report.json", {**measurements, "unreachable_samples": merged.unreachable[:SAMPLES]})
    return Artifact(measurements)


def context_length(base: Path) -> int:
    """`max_position_embeddings` of the base's config.json."""
    path = base / "config.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["max_position_embeddings"])
    except (OSError, ValueError, KeyError) as error:
        raise LilmError(
            f"no max_position_embeddings ({error})", where=str(path), remedy="give a Llama folder"
        ) from error
