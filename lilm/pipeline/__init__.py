"""How any run works: stages, what each depends on, skipping, resuming, manifests."""
