"""Small programs that are measured in processes of their own, some of them under a peer's interpreter."""
