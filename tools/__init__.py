"""Tasks of the project: generated files, images, demo, bench. Nothing here is shipped."""
