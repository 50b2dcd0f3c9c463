"""Other programs' files: reading their weights, and writing ours so that they can read them."""
