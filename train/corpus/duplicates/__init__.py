"""Exact and near duplicates over all blocks."""
