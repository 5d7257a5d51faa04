"""[[finetune.sources]]: where chats come from."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lilm.recipe.section import LicenseName, Section


class ChatSourceConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Shown in reports."""
    format: Literal["auto", "chats", "messages", "utterances", "sharegpt", "alpaca", "oasst", "hub"] = "auto"
    """auto: what the first record of the file is, which is said; messages: entries with [{role, content}] in `field`,
    as OpenAI's; utterances: with [{name, text}]; sharegpt: with conversations of {from, value}; alpaca: with
    instruction, input or context, output or response, and history, what was said before; oasst: OpenAssistant's message
    trees, nested, or as rows with message_id and parent_id; hub: a dataset, whose form is told as for auto; chats: made
    by LiLM.
    A file is JSONL, JSON or Parquet, also packed. An entry may have a text `system`, `system_prompt` or
    `system_message`, or be a bare list of messages.
    Chats in which no assistant answers are left out and counted. An answer of weight 0, as OpenAI's files have it, is
    read and not learnt, and so is one by what a tool said; calls of tools and what they said are left out, by name."""
    path: str = ""
    """File or glob (`**` allowed), relative to the recipe."""
    repo: str = ""
    """hub: dataset id."""
    field: str = "messages"
    """messages, auto, hub: the key of a conversation's messages."""
    split: str = "train"
    """hub: dataset split."""
    limit: int = Field(default=0, ge=0)
    """Read this many chats at most; 0: all. chats: how many to make."""
    branches: Literal["best", "all"] = "best"
    """oasst: best: of a tree the path of the replies that people ranked first; all: a chat for every answer that
    nobody goes on from. Chats of one tree then begin alike, and what they share is learnt more often."""
    lang: str = Field(default="", pattern=r"^([a-z]{2,3}(-[A-Z]{2})?)?$")
    """oasst: only messages whose `lang` this is; empty: all. A translated set keeps its originals' languages there.
    chats: the language they are made in; empty: the recipe's."""
    max_bad: float = Field(default=0.01, ge=0, le=1)
    """Greatest share of the records that may not fit: broken JSON, a role that nobody knows, an order of turns that
    the chat format has no place for. They are named, counted and left out. 0: the first one ends the run."""
    license: LicenseName = ""
    """Of the chats, for the model card."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"license"})

    @model_validator(mode="after")
    def _needs(self) -> "ChatSourceConfig":
        needed = {"hub": "repo", "chats": "limit"}.get(self.format, "path")
        if not getattr(self, needed):
            raise ValueError(f"format {self.format!r} needs the key {needed!r}")
        return self
