"""Events of jobs for other programs and for people: kept until they were delivered."""
