"""`lilm bench quant`: what each file of a finished run is worth, on text that nothing has learnt from or chosen by."""
