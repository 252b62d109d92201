"""Theorems on the Gaussian integrals of activations, one file for each family."""
