"""The shell: wires ports to adapters, serves HTTP, runs the loops. The only package that starts anything."""
