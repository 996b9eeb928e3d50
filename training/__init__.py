"""Recipes for the weights in the package. Not installed."""
