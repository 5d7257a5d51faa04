"""Codes whose errors cancel out on real inputs (GPTQ, Frantar et al. 2022, arXiv:2210.17323)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lilm.export.chunk import Matrix, quantise_matrix
from lilm.export.learned.blocks import Parts
from lilm.export.learned.formats import decode
from lilm.export.learned.kinds import Kind

DAMPING = 0.01  # of the mean square of an input, added to each: inputs that text leaves at rest


def spread(products: torch.Tensor) -> torch.Tensor:
    """How an error in one column is best made up for in those after it: [columns, columns], upper triangular.

    products: the inputs' X^T X. Returns the Cholesky factor of its inverse.
    """
    lower, failed, damping = products, 1, DAMPING
    while failed:
        damped = products.double()
        damped.diagonal().add_(damped.diagonal().mean().clamp(min=1e-30) * damping)
        lower, info = torch.linalg.cholesky_ex(damped)
        failed, damping = int(info), damping * 10
        del damped
    inverse = torch.cholesky_inverse(lower)
    del lower  # of a wide matrix's inputs each of these is large
    factor: torch.Tensor = torch.linalg.cholesky(inverse, upper=True).float()
    return factor


@torch.no_grad()
def compensated(
    weight: torch.Tensor, products: torch.Tensor, spread_errors: torch.Tensor, kind: Kind, threads: int
) -> tuple[torch.Tensor, Parts]:
    """(the weights [rows, columns] that were rounded, each after it made up for the errors before it; their blocks).

    weight: [rows, columns]; products, spread_errors: see `spread`. A block's scales are chosen when the columns before
    it are done: llama.cpp's choice for these weights, errors weighed by the inputs' squares.
    """
    left = weight.T.contiguous()  # a column's weights lie together
    rounded_from = torch.empty_like(left)
    squares = products.diagonal() / products.diagonal().mean().clamp(min=1e-30)
    importance: Matrix = (squares + 1e-6).float().cpu().numpy()
    found: list[Parts] = []
    for begin in range(0, len(left), kind.block):
        end = begin + kind.block
        block = left[begin:end].T.contiguous()
        stored = quantise_matrix(block.cpu().numpy(), kind.name, importance[begin:end], threads)
        parts = decode(stored, kind.name)
        columns, errors, codes = _rounded(left[begin:end].clone(), spread_errors[begin:end, begin:end], parts, kind)
        rounded_from[begin:end] = columns
        left[end:] -= spread_errors[begin:end, end:].T @ errors
        found.append(_with_codes(parts, codes))
    return rounded_from.T.contiguous(), _joined(found)


def _rounded(
    columns: torch.Tensor, spread_errors: torch.Tensor, parts: Parts, kind: Kind
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(what was rounded, its errors as `spread_errors` wants them, the codes), each [block, rows].

    columns: the block's weights [block, rows], used up.
    """
    scales, mins = _per_group(parts, kind, columns.device)
    table = torch.tensor(kind.table, dtype=torch.float32, device=columns.device)
    borders = (table[1:] + table[:-1]) / 2
    errors, codes = torch.empty_like(columns), torch.empty_like(columns)
    for at, column in enumerate(columns):
        scale, low = scales[at // kind.group], mins[at // kind.group]
        places = (column + low) / torch.where(scale == 0, torch.inf, scale)
        if kind.table:
            code = torch.bucketize(places, borders)
            values = table[code]
        else:
            code = values = places.round_().clamp_(kind.lowest, kind.highest)
        codes[at] = code
        errors[at] = (column - (scale * values - low)) / spread_errors[at, at]
        columns[at + 1 :] -= spread_errors[at, at + 1 :, None] * errors[at]
    return columns, errors, codes


def _per_group(parts: Parts, kind: Kind, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(scales, mins), [groups, rows] each; no mins are zeros."""

    def told(whole: NDArray[Any], steps: NDArray[Any] | None) -> torch.Tensor:
        wide = whole.astype(np.float32)[:, None]
        both = wide if steps is None else wide * steps.astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(both.T)).to(device)

    scales = told(parts.scales, parts.sub_scales)
    return scales, torch.zeros_like(scales) if parts.mins is None else told(parts.mins, parts.sub_mins)


def _with_codes(parts: Parts, codes: torch.Tensor) -> Parts:
    whole = np.ascontiguousarray(codes.T.to(torch.int8).cpu().numpy())
    return Parts(whole, parts.scales, parts.sub_scales, parts.mins, parts.sub_mins)


def _joined(blocks: list[Parts]) -> Parts:
    """Joins blocks of columns, each of all rows, to the blocks of the matrix in the order of its rows."""

    def joined(each: list[NDArray[Any] | None]) -> Any:
        known = [one for one in each if one is not None]
        if not known:
            return None
        beside = np.stack(known, axis=1)  # [rows, blocks, ...]
        return beside.reshape(-1, *beside.shape[2:])

    return Parts(
        joined([one.codes for one in blocks]),
        joined([one.scales for one in blocks]),
        joined([one.sub_scales for one in blocks]),
        joined([one.mins for one in blocks]),
        joined([one.sub_mins for one in blocks]),
    )
