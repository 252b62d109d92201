"""Theorems on scale-invariant losses under weight decay, one a file."""
