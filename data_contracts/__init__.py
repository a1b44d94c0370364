"""What tables promise: contracts, quality rules, artifacts and errors. Pure code."""
