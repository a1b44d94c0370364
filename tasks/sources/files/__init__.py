"""Files of a source: listing, dialects, formats and lake tables, as one Arrow table."""
