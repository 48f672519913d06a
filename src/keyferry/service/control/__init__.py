"""What the control plane does, one module per capability."""
