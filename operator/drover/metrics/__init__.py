"""What is counted: the only home of the Prometheus client; one registry a process."""
