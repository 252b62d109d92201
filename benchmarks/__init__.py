"""One script per claim about speed, each measured against the machine's own limits."""
