"""What starts and polls processes: `base` is the contract, each other room one way to keep it."""
