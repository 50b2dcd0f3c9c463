"""Where images come from: sources, transforms and the batches made of them."""
