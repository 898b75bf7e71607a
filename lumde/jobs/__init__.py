"""One whole job per file."""
