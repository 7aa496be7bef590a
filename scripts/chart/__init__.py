"""What is generated around the Helm chart: its schema, rendered manifests, tables of rights, checks for GitOps."""
