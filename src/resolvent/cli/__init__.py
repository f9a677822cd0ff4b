"""The command line. One module per command; SymPy and JAX are imported by the commands that need them."""
