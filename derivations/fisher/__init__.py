"""Theorems on the spectrum of the Fisher information matrix, one file each."""
