"""One runnable recipe a paper, and what recipes share: flags, data, networks."""
