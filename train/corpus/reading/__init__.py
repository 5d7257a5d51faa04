"""Every shard read, normalised, judged and scored; what stands on the disk then are blocks."""
