"""What the exchange is about, as values: no file is opened here, and no library beyond the standard one is needed."""
