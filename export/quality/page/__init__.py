"""The page of `lilm bench quant`, and the one that holds two runs against each other."""
