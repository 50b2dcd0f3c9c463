"""One runnable recipe a paper."""
