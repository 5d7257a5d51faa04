"""`lilm plan`: what a recipe's training costs in memory, disk and days, before it starts."""
