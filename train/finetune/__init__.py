"""Chat fine-tuning: one template, loss on the assistant's words only."""
