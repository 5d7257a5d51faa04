"""`lilm bench languages`: the stages on real text of other languages than Japanese."""
