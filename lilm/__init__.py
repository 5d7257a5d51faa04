"""LiLM: small language models in your own language, on the devices you already own."""

__version__ = "0.1.0"
