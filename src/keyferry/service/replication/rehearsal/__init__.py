"""What shows that replication works before it is needed: canaries, and cuts for drills."""
