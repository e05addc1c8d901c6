"""Logs: where event batches stand, in order, for ever. The only truth; everything else is derived from them."""
