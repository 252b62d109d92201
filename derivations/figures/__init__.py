"""Figures for a paper: each is drawn from its data alone, and the data is written beside it.

A figure is a record in ``derivations.figures.catalogue``: what computes its series, and what draws
them. Matplotlib is an optional extra.
"""
