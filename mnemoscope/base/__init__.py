"""What every layer uses: errors, statistics, text, files, memory, provenance."""
