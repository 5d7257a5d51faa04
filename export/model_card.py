"""The model card of a published folder: README.md as the Hugging Face hub reads it.

Only what is known stands in it; a licence that nobody told is "unknown: ask before publishing".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lilm.licences import Licence, told_licences, with_origin
from lilm.origin import Origin
from lilm.recipe import Recipe
from lilm.report.languages import language_name
from lilm.report.markdown import block, code, plain, table

UNKNOWN = "unknown: ask before publishing"
_REPO = re.compile(r"^[\w.-]+/[\w.-]+$", re.ASCII)
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+-]*$", re.ASCII)
_TRANSFORMERS = """from transformers import AutoModelForCausalLM, AutoTokenizer

name = {name}
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name)
chat = [{{"role": "user", "content": {prompt}}}]
inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
answer = model.generate(**inputs, max_new_tokens=128)
print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))"""


@dataclass(frozen=True)
class Card:
    """What the card tells. repo: OWNER/NAME on the hub, "" while there is none. origin: the base's; None: it was made
    from scratch. export, bench: the stages' reports; bench None: nothing was measured. template: of chats."""

    recipe: Recipe
    repo: str
    origin: Origin | None
    export: Mapping[str, Any]
    bench: Mapping[str, Any] | None
    template: str

    @property
    def text(self) -> str:
        sections = (
            _front_matter(self),
            f"# {plain(self.recipe.name)}",
            _what(self),
            "## Files\n\n" + _files(self),
            "## In llama.cpp\n\n" + _llama_cpp(self),
            "## In transformers\n\n" + _transformers(self),
            "## In the browser\n\n" + _browser(self),
            "## Chat template\n\n" + block(self.template, "jinja"),
            "## Licences\n\n" + _licences(self),
        )
        return "\n\n".join(sections) + "\n"

    @property
    def place(self) -> str:
        return self.repo or "OWNER/NAME"


def _front_matter(card: Card) -> str:
    """YAML whose values are JSON, which is YAML too, so that no text in them can end one."""
    datasets = [one.repo for one in _sources(card.recipe) if one.format == "hub" and _REPO.match(one.repo)]
    values = {
        "language": [card.recipe.language, card.recipe.base_language],
        **_license(card.recipe.export.license),
        "base_model": card.origin.repo if card.origin and _REPO.match(card.origin.repo) else "",
        "base_model_relation": "finetune" if card.origin and _REPO.match(card.origin.repo) else "",
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "tags": ["gguf", "llama", "llama.cpp", "conversational", "lilm"],
        "datasets": list(dict.fromkeys(datasets)),
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value]
    return "\n".join(["---", *lines, "---"])


def _license(name: str) -> dict[str, str]:
    """Returns a licence as the hub writes it: an id of its list, or `other` and a name."""
    if not name:
        return {"license": "unknown"}
    return {"license": name.lower()} if _ID.match(name) else {"license": "other", "license_name": name}


def _what(card: Card) -> str:
    learnt, known = (_language(one) for one in (card.recipe.language, card.recipe.base_language))
    parameters = f"{card.export['parameters'] / 1e6:,.1f}M parameters"
    if card.origin is None:
        return f"A small Llama ({parameters}) made from scratch, of {known} and then {learnt} text, by LiLM."
    base = card.origin
    name = f"[{plain(base.repo)}]({base.repo_url})" if _REPO.match(base.repo) else f"“{plain(base.name)}”"
    which = f" ({code(base.revision)})" if base.revision else ""
    return f"{name}{which}, a Llama that knew {known}, was taught {learnt} by LiLM: {parameters}."


def _files(card: Card) -> str:
    languages = (card.recipe.language, card.recipe.base_language)
    files = card.export["files"]
    rows = {row["name"]: row["quality"] for row in (card.bench or {"files": []})["files"]}
    heads = ["file", "MB", "bits/weight"]
    if rows:
        heads += [*(f"bits/byte {one}" for one in languages), f"KLD {languages[0]} ± SE", f"same top {languages[0]}"]
    lines = []
    for file in files:
        cells = [_named(file), f"{file['bytes'] / 1e6:,.1f}", f"{file['bits_per_weight']:.2f}"]
        lines.append(cells + (_figures(rows.get(file["name"]), languages) if rows else []))
    told = [table(heads, lines, right=len(heads) - 1)]
    told += [f"- {code(file['name'])}: {plain(file['note'])}" for file in files if file["note"]]
    if rows and card.bench is not None:
        sizes = " and ".join(
            f"{card.bench['measured_on'][one]['tokens']:,} tokens of {_language(one)}" for one in languages
        )
        told.append(
            f"Measured on held-out text, {sizes}; KLD (nats a token) and “same top” (the same likeliest token) are "
            "against the F16 file."
        )
    else:
        told.append("Their quality was not measured.")
    told.append(
        "`recipe.json` names all that decides the bytes of the quantised files; "
        "`lilm export remake recipe.json F16.gguf --out DIR` makes them again"
        + (", those with learnt blocks only beside the run." if any("learned" in one for one in files) else ".")
    )
    if "adapter" in card.export:
        told.append(_adapter(card.export["adapter"]))
    return "\n\n".join(told)


def _adapter(adapter: Mapping[str, Any]) -> str:
    command = f"llama-cli -m {adapter['bases'][-1]['name']} --lora {adapter['name']}"
    return (
        f"The layers' LoRA is a file of its own too ({code(adapter['name'])}, rank {adapter['rank']}, "
        f"{adapter['bytes'] / 1e6:,.1f} MB). It goes over the files {code('lora/base-…')} only, which are the model "
        f"without it:\n\n{block(command, 'sh')}"
    )


def _named(file: Mapping[str, Any]) -> str:
    parts = file.get("parts", ())
    more = len(parts) - 1
    return code(file["name"]) + (f" and {more} more part{'s' if more > 1 else ''}" if parts else "")


def _figures(quality: Mapping[str, Any] | None, languages: Sequence[str]) -> list[str]:
    if quality is None:
        return ["–"] * (len(languages) + 2)
    learnt = quality[languages[0]]
    bits = [f"{quality[one]['bits_per_byte']:.3f}" for one in languages]
    if learnt["kld_mean"] is None:
        return [*bits, "–", "–"]
    error = "?" if learnt["kld_se"] is None else _nats(learnt["kld_se"])  # too little text to tell
    return [*bits, f"{_nats(learnt['kld_mean'])} ± {error}", f"{learnt['top1_agreement'] * 100:.1f} %"]


def _nats(value: float) -> str:
    return f"{value:.4f}" if value >= 0.001 else f"{value:.2g}"


def _llama_cpp(card: Card) -> str:
    file = _small(card.export)
    wanted = file["name"] if not file.get("parts") else re.sub(r"-00001-of-\d{5}\.gguf$", "-0*", file["name"])
    quoted = f'"{wanted}"' if "*" in wanted else wanted
    lines = f"hf download {card.place} --include {quoted} --local-dir .\nllama-cli -m {file['name']}"
    told = block(lines, "sh")
    return told + ("\n\nA model in parts is opened by its first part." if file.get("parts") else "")


def _small(export: Mapping[str, Any]) -> Mapping[str, Any]:
    """The file that people are pointed at: 4 bits where there is one."""
    files = export["files"]
    found: Mapping[str, Any] = next((file for file in files if file["quant"].startswith("Q4")), files[-1])
    return found


def _transformers(card: Card) -> str:
    prompt = next(iter(card.recipe.site.prompts), "こんにちは。" if card.recipe.language == "ja" else "Hello.")
    filled = _TRANSFORMERS.format(
        name=json.dumps(card.place), prompt=json.dumps(prompt.encode(errors="replace").decode(), ensure_ascii=False)
    )
    return block(filled, "python")


def _browser(card: Card) -> str:
    return (
        "LiLM's page opens any of the GGUF files from your disk, and runs it on your device; nothing that you type "
        "leaves it. The run that made these files has such a page in its folder `site`, with the model: any static "
        "host serves it, or `lilm serve RUN` on your own machine."
    )


def _licences(card: Card) -> str:
    published = card.recipe.export.license
    rows = [_row(one) for one in with_origin(told_licences(card.recipe), card.origin)]
    told = table(["of", "licence", "as told by"], rows)
    asked = (
        ""
        if published
        else (
            "\n\nUnder which licence the model may be published follows from those of the base and of the text. LiLM "
            "does not decide that: set `license` under `[export]`, and of each source, once you know."
        )
    )
    return told + asked


def _row(of: Licence) -> list[str]:
    repo = f" ({plain(of.repo)})" if of.repo else ""
    names = {
        "model": "this model",
        "base": "the base",
        "text": f"text “{plain(of.name)}”{repo}",
        "pairs": "pairs of answers",
    }
    return [names[of.kind], plain(of.licence) if of.licence else f"**{UNKNOWN}**", plain(of.told_by)]


def _sources(recipe: Recipe) -> list[Any]:
    return [*recipe.corpus.sources, *recipe.finetune.sources]


def _language(code_: str) -> str:
    return language_name(code_)
