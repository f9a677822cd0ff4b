"""Equilibria: verified, enumerated, traced and certified. Nothing is sampled."""
