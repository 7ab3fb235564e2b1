"""Text for people. Views format records that they are given; they read no files and change nothing."""
