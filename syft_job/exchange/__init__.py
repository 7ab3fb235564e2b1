"""Jobs in the shared folder: submission, arrival, markers, decisions, sharing. Nothing here runs a command."""
