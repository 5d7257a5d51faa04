"""How much of the logits the loss holds at once; it stands here for who plans and does not import torch."""

CHUNK_ELEMENTS = 32 * 1024 * 1024  # logits: 128 MB in float32
