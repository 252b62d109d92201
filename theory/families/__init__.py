"""Closed Gaussian integrals, one file for each family of activations."""
