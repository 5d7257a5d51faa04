"""Learning rate at a step: linear warm-up, then the recipe's decay."""

import math

from lilm.recipe import OptimConfig

WSD_DECAY = 0.2  # share of the steps in which wsd decays (MiniCPM uses 0.1, Hägele et al. 2024 find 0.2 safe)


def learning_rate(step: int, optim: OptimConfig) -> float:
    """Rate of optimizer step `step`, 0 ≤ step < optim.steps."""
    warmup = max(1, round(optim.steps * optim.warmup))
    if step < warmup:
        return optim.lr * (step + 1) / warmup
    floor = optim.lr * optim.final_lr
    if optim.schedule == "constant":
        return optim.lr
    if optim.schedule == "wsd":
        decay = max(1, round(optim.steps * WSD_DECAY))
        done = max(0.0, (step - (optim.steps - decay)) / decay)
        return optim.lr + (floor - optim.lr) * done
    done = (step - warmup) / max(1, optim.steps - warmup)
    return floor + (optim.lr - floor) * 0.5 * (1 + math.cos(math.pi * done))
