"""Running one command: backends, sandboxes, limits. Nothing here knows of the shared folder."""
