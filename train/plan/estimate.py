"""The plan itself: a recipe and a machine in, figures and warnings out."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from lilm.errors import LilmError
from lilm.llama.shape import Shape
from lilm.pipeline.place import place_of
from lilm.recipe import OptimConfig, Recipe
from lilm.train.plan.flops import Flops, Method, method_flops, trained_parameters
from lilm.train.plan.hardware import Hardware
from lilm.train.plan.memory import DeviceMemory, Disk, Setting, device_memory, disk, host_memory
from lilm.train.plan.overhead import Overhead, overhead
from lilm.train.plan.shape import as_trained, shape_of

DAY = 86_400
SPARE = 0.95  # share of a device's memory that may be planned for


@dataclass(frozen=True)
class Phase:
    """One stage of the training. tokens_per_s: of all devices together, waiting for each other included."""

    name: str
    tokens: int
    flops: Flops
    trained: int
    tokens_per_s: float
    memory: DeviceMemory
    setting: Setting

    @property
    def days(self) -> float:
        return self.tokens / self.tokens_per_s / DAY


@dataclass(frozen=True)
class Plan:
    """host: bytes of memory of all processes together. beside: seconds that are no steps. warnings: what does not fit.
    remedies: what would."""

    recipe: str
    hardware: Hardware
    count: int
    shape: Shape
    phases: tuple[Phase, ...]
    host: float
    disk: Disk
    beside: Overhead
    warnings: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        return sum(phase.tokens for phase in self.phases)

    @property
    def days(self) -> float:
        """The days of the whole stage: steps, measurements and checkpoints."""
        return sum(phase.days for phase in self.phases) + (self.beside.measuring + self.beside.saving) / DAY

    @property
    def main(self) -> Phase:
        """The phase that takes longest."""
        return max(self.phases, key=lambda phase: phase.days)

    def as_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "hardware": {**asdict(self.hardware), "count": self.count},
            "parameters": self.shape.parameters,
            "vocab_size": self.shape.vocab,
            "tokens": self.tokens,
            "tokens_per_s": round(self.main.tokens_per_s, 1),
            "days": round(self.days, 6),
            "measuring_seconds": round(self.beside.measuring, 1),
            "saving_seconds": round(self.beside.saving, 1),
            "device_memory_bytes": round(max(phase.memory.total for phase in self.phases)),
            "host_memory_bytes": round(self.host),
            "disk_bytes": {
                **{name: round(value) for name, value in asdict(self.disk).items()},
                "total": round(self.disk.total),
            },
            "phases": [_phase_json(phase) for phase in self.phases],
            "warnings": list(self.warnings),
            "remedies": list(self.remedies),
        }


def _phase_json(phase: Phase) -> dict[str, Any]:
    setting = {key: value for key, value in asdict(phase.setting).items() if key != "lora"}
    if phase.setting.method == "lora":
        setting["lora_rank"] = phase.setting.lora.rank
    return {
        "name": phase.name,
        "tokens": phase.tokens,
        "trained_parameters": phase.trained,
        "flops_per_token": phase.flops.model,
        "executed_flops_per_token": phase.flops.executed,
        "tokens_per_s": round(phase.tokens_per_s, 1),
        "days": round(phase.days, 6),
        "memory_bytes": {name: round(value) for name, value in asdict(phase.memory).items()},
        "settings": setting,
    }


def plan(
    recipe: Recipe, hardware: Hardware, count: int = 1, tokens: int | None = None, zero: int | None = None
) -> Plan:
    """What the recipe's pretraining takes on `count` devices of `hardware`.

    tokens: for stage 2, instead of the recipe's steps. zero: ZeRO stage; None: the recipe's when there are several
    devices. Speed is the device's peak × its utilisation / executed FLOPs of a token, and the time in which gradients
    go round once a step: 2 (n - 1) / n of their bytes over the link (a ring), half as much again for ZeRO-3 in each
    pass. Raises LilmError when the base's shape cannot be had, `count` devices cannot share a batch evenly, or there
    is nothing to reckon: no device, no token.
    """
    for what, number in (("devices", count), ("tokens", tokens)):
        if number is not None and number < 1:
            raise LilmError(f"{number} {what}", where="lilm plan", remedy="give 1 or more")
    shape = shape_of(recipe)
    recipe = as_trained(recipe, shape)
    wanted = recipe.pretrain.distributed.zero if zero is None else zero
    zero = wanted if count > 1 else 0
    phases = []
    steps = {}
    stages: tuple[tuple[str, Method, OptimConfig], ...] = (
        ("stage 1: new rows", "new rows", recipe.pretrain.stage1),
        (f"stage 2: {recipe.pretrain.method}", recipe.pretrain.method, recipe.pretrain.stage2),
    )
    for name, method, optim in stages:
        setting = _setting(recipe, method, optim, count, zero, name, hardware.bfloat16)
        amount = optim.steps * optim.batch_size * setting.window
        if tokens is not None and method != "new rows":
            amount = tokens
        if method == "new rows" and not recipe.tokenizer.pieces:
            amount = 0  # there are none
        steps[method] = -(-amount // (optim.batch_size * setting.window))
        if amount:
            phases.append(_phase(name, shape, setting, optim, amount, hardware))
    if not phases:
        raise LilmError("no step to train", where="pretrain", remedy="set pretrain.stage2.steps")
    needed = max(phase.memory.total for phase in phases)
    on_host = needed - phases[0].memory.context if hardware.is_cpu else 0.0
    made = Plan(
        recipe=recipe.name,
        hardware=hardware,
        count=count,
        shape=shape,
        phases=tuple(phases),
        host=host_memory(shape, count, on_host),
        beside=overhead(recipe, shape, (steps["new rows"], steps[recipe.pretrain.method]), hardware),
        disk=disk(
            shape,
            max(phase.trained for phase in phases),
            sum(phase.tokens for phase in phases),
            recipe.export,
            place_of(recipe),
        ),
    )
    return _judged(made)


def _setting(
    recipe: Recipe, method: Method, optim: OptimConfig, count: int, zero: int, where: str, bfloat16: bool
) -> Setting:
    if optim.batch_size % count:
        raise LilmError(
            f"{count} devices cannot share a batch of {optim.batch_size} sequences evenly",
            where=f"pretrain, {where}",
            remedy="set batch_size to a multiple",
        )
    each = optim.batch_size // count
    micro = min(optim.micro_batch_size or each, each)
    if each % micro:
        raise LilmError(
            f"the {each} sequences of each of {count} devices are no multiple of micro_batch_size {micro}",
            where=f"pretrain, {where}",
            remedy="change batch_size or micro_batch_size",
        )
    return Setting(
        method=method,
        lora=recipe.pretrain.lora,
        window=recipe.pretrain.sequence_length,
        micro_batch=micro,
        checkpointing=recipe.pretrain.gradient_checkpointing,
        bfloat16=recipe.pretrain.dtype == "bfloat16" and bfloat16,
        zero=zero,
        count=count,
    )


def _phase(name: str, shape: Shape, setting: Setting, optim: OptimConfig, tokens: int, hardware: Hardware) -> Phase:
    flops = method_flops(shape, setting.window, setting.method, setting.lora, setting.checkpointing)
    trained = trained_parameters(shape, setting.method, setting.lora)
    per_step = optim.batch_size * setting.window
    passes = -(-optim.batch_size // (setting.micro_batch * setting.count))
    reached = hardware.reached.get(setting.method, hardware.peak * hardware.utilisation)
    computing = per_step / setting.count * flops.executed / reached
    around = (setting.count - 1) / setting.count / hardware.link
    talking = 2 * 4.0 * trained * around
    if setting.zero == 3:
        talking += passes * 4.0 * shape.parameters * around
    return Phase(
        name=name,
        tokens=tokens,
        flops=flops,
        trained=trained,
        tokens_per_s=per_step / (computing + talking),
        memory=device_memory(shape, setting),
        setting=setting,
    )


def _judged(made: Plan) -> Plan:
    """The plan with what does not fit, and what would."""
    room = made.hardware.memory * SPARE
    warnings, remedies = [], []
    for phase in made.phases:
        if phase.memory.total > room:
            warnings.append(
                f"{phase.name} needs {phase.memory.total / 1e9:.1f} GB on a device that has "
                f"{made.hardware.memory / 1e9:.1f} GB"
            )
    if warnings:
        worst = max(made.phases, key=lambda phase: phase.memory.total)
        remedies = _remedies(made.shape, worst.setting, room)
    if not made.hardware.is_cpu and made.host > made.hardware.host_memory * made.count:
        warnings.append(
            f"the processes need {made.host / 1e9:.0f} GB of host memory while they load the model; "
            f"{made.hardware.host_memory * made.count / 1e9:.0f} GB are usual"
        )
    return replace(made, warnings=tuple(warnings), remedies=tuple(remedies))


def _remedies(shape: Shape, setting: Setting, room: float) -> list[str]:
    """Changes that make it fit, those that change the training least first; of ZeRO the first that does."""
    fewer = replace(setting, micro_batch=1)
    saving = replace(fewer, checkpointing=True)
    adapter = setting.lora.model_copy(update={"rank": 64, "train_embeddings": False})
    tries = [
        ("micro_batch_size = 1", fewer),
        ("gradient_checkpointing = true", replace(setting, checkpointing=True)),
        ("gradient_checkpointing = true and micro_batch_size = 1", saving),
    ]
    for count in sorted({setting.count, 2, 4, 8, 16}):
        if count > 1 and count >= setting.count:
            tries += [
                (
                    f"ZeRO-{stage} over {count} devices, with checkpointing and micro_batch_size = 1",
                    replace(saving, count=count, zero=stage),
                )
                for stage in (1, 2, 3)
            ]
    tries += [
        (
            'method = "lora" with the recipe\'s rank, with checkpointing and micro_batch_size = 1',
            replace(saving, method="lora"),
        ),
        (
            'method = "lora", rank 64 without embeddings, with checkpointing',
            replace(saving, method="lora", lora=adapter),
        ),
    ]
    found: list[str] = []
    seen = [setting]
    for what, changed in tries:
        needed = device_memory(shape, changed).total
        shared = changed.zero and any(one.zero for one in seen[1:])
        if needed <= room and changed not in seen and not shared:
            seen.append(changed)
            found.append(f"{what}: {needed / 1e9:.1f} GB")
    return found or ["nothing here: take a device with more memory, or a smaller base"]
