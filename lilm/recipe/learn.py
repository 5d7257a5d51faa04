"""[base], [tokenizer], [pack], [pretrain], [finetune]: from an English Llama to a chat model."""

from typing import Literal

from pydantic import Field, model_validator

from lilm.recipe.section import Section


class OptimConfig(Section):
    """AdamW with linear warm-up and decay to `final_lr` times the peak."""

    steps: int = Field(ge=0, le=100_000_000)
    lr: float = Field(gt=0, le=1)
    batch_size: int = Field(default=16, ge=1, le=1_000_000)
    """Sequences per optimizer step."""
    micro_batch_size: int = Field(default=0, ge=0, le=1_000_000)
    """Sequences per forward pass; 0: the whole batch at once."""
    warmup: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps."""
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    """wsd: warm-up, stable, and a linear decay over the last fifth."""
    final_lr: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.95, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    diverged: float = Field(default=2.0, ge=0)
    """Stops when the mean loss of 50 steps is so many nats above the lowest such mean; 0: never."""

    @model_validator(mode="after")
    def _divides(self) -> "OptimConfig":
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class NewRowsOptimConfig(OptimConfig):
    """As OptimConfig, for training where old rows must keep their bits."""

    weight_decay: float = Field(default=0.0, ge=0, le=0)
    """Stays 0: AdamW's decay would move the old rows too."""


class DistributedConfig(Section):
    """Training by several processes: one for each GPU, or a few on each machine of a CPU cluster.

    The batch stays the same: every process takes its share of it.
    """

    processes: int = Field(default=1, ge=1, le=1_024)
    """On this machine. More than one: started by torchrun."""
    hostfile: str = ""
    """Several machines: DeepSpeed's file with a line `HOST slots=N` for each, whose slots are the processes; it starts
    them by ssh. The run folder must be on a disk that all of them see."""
    zero: Literal[0, 1, 2, 3] = 1
    """What is shared out over the processes instead of kept by each: 1 optimizer state, 2 gradients too, 3 weights
    too (DeepSpeed's ZeRO); 0 nothing, which needs no DeepSpeed."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "DistributedConfig":
        if self.hostfile and self.processes > 1:
            raise ValueError("with a hostfile its slots say how many processes there are; leave out processes")
        return self


class ScratchConfig(Section):
    """Shape and training of a small English Llama, for when there is none at hand."""

    vocab_size: int = Field(default=1024, ge=320, le=1_000_000)
    hidden_size: int = Field(default=256, ge=32, le=65_536)
    intermediate_size: int = Field(default=768, ge=32, le=1_048_576)
    num_hidden_layers: int = Field(default=4, ge=1, le=1_000)
    num_attention_heads: int = Field(default=4, ge=1, le=4_096)
    num_key_value_heads: int = Field(default=2, ge=1, le=4_096)
    max_position_embeddings: int = Field(default=512, ge=64, le=1_048_576)
    sequence_length: int = Field(default=256, ge=16, le=1_048_576)
    optim: OptimConfig = OptimConfig(steps=300, lr=3e-3)
    distributed: DistributedConfig = DistributedConfig()

    @model_validator(mode="after")
    def _has_heads(self) -> "ScratchConfig":
        heads, groups = self.num_attention_heads, self.num_key_value_heads
        if self.hidden_size % (2 * heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} gives no even head size with num_attention_heads {heads}: it must be "
                f"a multiple of {2 * heads}"
            )
        if heads % groups:
            raise ValueError(f"num_attention_heads {heads} is no multiple of num_key_value_heads {groups}")
        return self


class BaseConfig(Section):
    kind: Literal["scratch", "path", "hub", "gguf"]
    path: str = ""
    """kind path: a folder with config.json, *.safetensors and tokenizer.model, or instead of that a byte-level BPE
    tokenizer.json and its tokenizer_config.json; relative to the recipe. kind gguf: a GGUF file."""
    url: str = Field(default="", pattern=r"^(https://.+)?$")
    """kind gguf: where the file is fetched from (https), instead of path; kept in the cache."""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """kind gguf: what the file must be; empty: any."""
    repo: str = ""
    """kind hub: the model's id."""
    revision: str = "main"
    """kind hub: a commit is best; it makes the run reproducible."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Autocast type of the scratch training."""
    scratch: ScratchConfig = ScratchConfig()

    @model_validator(mode="after")
    def _needs(self) -> "BaseConfig":
        needed = {"path": "path", "hub": "repo"}.get(self.kind)
        if needed and not getattr(self, needed):
            raise ValueError(f"kind {self.kind!r} needs the key {needed!r}")
        if self.kind == "gguf" and bool(self.path) == bool(self.url):
            raise ValueError("kind 'gguf' needs one of the keys 'path' and 'url'")
        return self


class TokenizerConfig(Section):
    """A base with a byte-level BPE tokenizer.json (Llama 3, SmolLM) is added to like one with a tokenizer.model. It has
    its own pre-tokenizer and is no Unigram, so there `model_type` and `split_by_unicode_script` stay as they are."""

    pieces: int = Field(default=18_700, ge=0, le=1_000_000)
    """Pieces to learn; the merged size is rounded up to `multiple`. 0: no new vocabulary, which is right for a short
    training (new rows must first learn what the base's own pieces know already), for a language in Latin letters, and
    where each megabyte counts; text then takes more tokens. `lilm tokenizer compare-sizes` tries it on your text."""
    multiple: int = Field(default=64, ge=1, le=65_536)
    """The merged vocabulary's size is a multiple of this, by unused pieces."""
    model_type: Literal["bpe", "unigram"] = "bpe"
    """How pieces are learnt. What is written is a BPE model in either case, as the base's is one: of Unigram's pieces
    those stay that merges can reach, three of four, and Wikipedia takes 7% more tokens than with BPE. A byte-level
    base has only "bpe"."""
    character_coverage: float = Field(default=0.9995, gt=0.9, le=1)
    split_by_unicode_script: bool = False
    """False lets 「食べる」 be one piece: 1.74 instead of 1.65 characters a token on Wikipedia. A byte-level base
    has only False: its own pre-tokenizer decides."""
    max_piece_length: int = Field(default=16, ge=1, le=1_000)
    train_chars: int = Field(default=10_000_000, ge=1000, le=10_000_000_000)
    """Characters of the corpus that the vocabulary is learnt from, the best-scored first."""
    verify_lines: int = Field(default=10_000, ge=1)
    """Held-out lines of the new language whose ids must be equal in all runtimes (SentencePiece where the base has it,
    Hugging Face, llama.cpp), if there are so many; of the base's language all are compared."""


class PackConfig(Section):
    shard_tokens: int = Field(default=100_000_000, ge=1000, le=10_000_000_000)
    """Tokens per .bin/.idx pair."""


class LoraConfig(Section):
    rank: int = Field(default=64, ge=1, le=65_536)
    alpha: int = Field(default=64, ge=1, le=1_000_000)
    use_rslora: bool = True
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    train_embeddings: bool = True
    """Embedding and output matrix are trained beside the adapter."""
    embedding_lr_scale: float = Field(default=0.2, gt=0, le=1)
    """Their rate, as a part of the adapter's: whole matrices want a fifth to a tenth of what an adapter does."""
    path: str = ""
    """An `adapter` folder of an earlier run to go on from. It must have been made with this vocabulary."""


class PretrainConfig(Section):
    sequence_length: int = Field(default=1024, ge=16, le=1_048_576)
    replay: float = Field(default=0.25, ge=0, lt=1)
    """Share of base-language sequences in stage 2. Stage 1 has none: the rows that learn there do not stand in them."""
    init: Literal["mean", "covariance", "random", "distillation", "frequency"] = "mean"
    """New embedding rows: mean of the piece's old sub-tokens; distillation: that, then learnt so that the model reads
    the piece as it read the sub-tokens; covariance: near the mean of all rows, as transformers does; random: noise (the
    control); frequency: mean, then as likely as the text has the piece. `lilm tokenizer compare-init` tries each."""
    bigrams: float = Field(default=0.0, ge=0, le=1)
    """After a new piece this share of the target is what follows that piece in all of the corpus, the rest what follows
    it here; over stage 2 it falls to 0. It helps where the text is far more than the run reads."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Autocast type; weights and optimizer state stay float32."""
    gradient_checkpointing: bool = False
    """Keeps less for the backward pass and computes it again: about a third slower, far less memory."""
    compile: bool | Literal["auto"] = "auto"
    """torch.compile, which takes a minute or two at the start. auto: on a GPU; on a CPU for models of 50M parameters or
    more, where there is a C++ compiler."""
    stage1: NewRowsOptimConfig = NewRowsOptimConfig(steps=100, lr=2e-3)
    """New rows only; the base does not move."""
    method: Literal["full", "lora"] = "full"
    stage2: OptimConfig = OptimConfig(steps=1000, lr=2e-4)
    lora: LoraConfig = LoraConfig()
    eval_every: int = Field(default=100, ge=1)
    """Steps between measurements of bits per byte."""
    eval_bytes: int = Field(default=100_000, ge=100)
    """UTF-8 bytes of held-out text per language for each measurement."""
    samples: int = Field(default=1, ge=0, le=1_000)
    """Held-out texts per language whose beginnings the model continues at each measurement."""
    sample_tokens: int = Field(default=32, ge=1, le=1_048_576)
    checkpoint_every: int = Field(default=100, ge=1)
    distributed: DistributedConfig = DistributedConfig()

    @model_validator(mode="after")
    def _goes_on(self) -> "PretrainConfig":
        if self.lora.path and (self.method != "lora" or self.stage1.steps):
            raise ValueError('lora.path goes on from an adapter: it needs method = "lora" and stage1.steps = 0')
        return self

    def replay_in(self, stage: int) -> float:
        """`replay` of stage 1 or 2."""
        return 0.0 if stage == 1 else self.replay


class ChatSourceConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    format: Literal["chats", "messages", "utterances", "sharegpt", "hub"]
    """chats: made by LiLM; messages: entries with [{role, content}]; utterances: with [{name, text}]; sharegpt: with
    conversations of {from, value}; hub: a dataset with messages. A file is JSONL or one JSON list; an entry may have
    Alpaca's keys instead, and a `system` text. Chats in which no assistant answers are left out and counted."""
    path: str = ""
    repo: str = ""
    field: str = "messages"
    split: str = "train"
    limit: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _needs(self) -> "ChatSourceConfig":
        needed = {"hub": "repo", "chats": "limit"}.get(self.format, "path")
        if not getattr(self, needed):
            raise ValueError(f"format {self.format!r} needs the key {needed!r}")
        return self


class FinetuneConfig(Section):
    sources: tuple[ChatSourceConfig, ...] = ()
    """[[finetune.sources]]; none: the pretrained model goes on unchanged, with the chat template."""
    template: Literal["auto", "base", "plain"] = "auto"
    """The chat format. base: the base's own, refused where it has none; plain: LiLM's; auto: the base's where it has
    one, else LiLM's."""
    replay: float = Field(default=0.0, ge=0, lt=1)
    """Share of pretraining text, half of it in the base language, mixed in so that it is not forgotten."""
    sequence_length: int = Field(default=512, ge=16, le=1_048_576)
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    optim: OptimConfig = OptimConfig(steps=200, lr=1e-4)
    checkpoint_every: int = Field(default=100, ge=1)
