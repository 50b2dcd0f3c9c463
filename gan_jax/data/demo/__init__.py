"""Data that needs no download: images that the program draws, or that scikit-image brings."""
