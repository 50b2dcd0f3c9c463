"""Data that needs no download: pictures that the program draws, or that scikit-image brings."""
