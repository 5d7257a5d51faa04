"""`lilm bench train`: our training beside the 2023 experiment's and the transformers Trainer's."""
