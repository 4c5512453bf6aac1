"""What the bench programs share: servers to measure, the load, the figures, the report."""
