"""Luigi tasks: parameters, requires, output, run. What they do is in the modules beside this package."""
