"""Tables for a paper: each number predicted or measured, printed once, and traced back."""
