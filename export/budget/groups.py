"""Which matrices get a type together, and which types each group may have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lilm.export.block_types import BlockType, fitting
from lilm.export.retyped import stored_bytes
from lilm.gguf_file import GGUFTensor

# Queries and keys meet in one product, gate and up in another: rounded alike they cost one measurement, not two.
# Values and what writes into the residual stream are alone: llama.cpp's own mixes give these more bits.
IN_A_LAYER = (("attn_q", "attn_k"), ("attn_v",), ("attn_output",), ("ffn_gate", "ffn_up"), ("ffn_down",))


@dataclass(frozen=True)
class Group:
    """Matrices that get the same type.

    names: of the matrices, in GGUF; their rows are equally long. layer: the first layer whose input or weights change
    with these matrices; 0 for the embedding, the number of layers for an output matrix of its own.
    """

    names: tuple[str, ...]
    layer: int


def groups_of(found: Mapping[str, GGUFTensor], layers: int) -> list[Group]:
    """Returns the groups of all matrices of a Llama, in the order of the file.

    found: the matrices, by name, from `lilm.export.matrices.matrices`. layers: how many the model has. Raises
    RuntimeError when a matrix belongs to no group, or a group's matrix is missing.
    """
    groups = [Group(("token_embd.weight",), 0)]
    for layer in range(layers):
        groups += [Group(tuple(f"blk.{layer}.{role}.weight" for role in roles), layer) for roles in IN_A_LAYER]
    if "output.weight" in found:
        groups.append(Group(("output.weight",), layers))
    named = [name for group in groups for name in group.names]
    if sorted(named) != sorted(found):
        raise RuntimeError(f"matrices without a group, or the other way round: {set(named) ^ set(found)}")
    return groups


def sizes(group: Group, found: Mapping[str, GGUFTensor], types: tuple[str, ...]) -> dict[int, list[BlockType]]:
    """Returns {bytes of the group in a file, with padding: the types in which it has that many}, fewest bytes first.
    Types whose blocks do not divide the group's rows are left out."""
    by_bytes: dict[int, list[BlockType]] = {}
    for kind in fitting(types, found[group.names[0]].shape[-1]):
        total = sum(stored_bytes(found[name], kind.name) for name in group.names)
        by_bytes.setdefault(total, []).append(kind)
    return dict(sorted(by_bytes.items()))


def smallest(groups: Iterable[Group], found: Mapping[str, GGUFTensor], types: tuple[str, ...]) -> dict[str, str]:
    """Returns each matrix's smallest type, by name: no file of these types is smaller."""
    return {name: next(iter(sizes(group, found, types).values()))[0].name for group in groups for name in group.names}
