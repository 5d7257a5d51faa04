"""What many documents otherwise different have in common: lines, and runs of characters."""
