"""What tables promise: contracts, claim checks and the errors that name a broken promise."""
