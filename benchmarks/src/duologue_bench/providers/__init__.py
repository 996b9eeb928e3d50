"""What the plumbing of network providers adds: many sessions in one process, and the services in another."""
