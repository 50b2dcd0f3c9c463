"""What a run does: batches, steps, devices, checkpoints, the log, validation, and what is scored at its end."""
