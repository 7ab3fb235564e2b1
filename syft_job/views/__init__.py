"""What people see: terminal text and, later, pages. Views read records and change nothing."""
