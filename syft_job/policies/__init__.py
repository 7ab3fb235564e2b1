"""What an owner's rules amount to: pure functions from what is so to what is to be done; they touch nothing."""
