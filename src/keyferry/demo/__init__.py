"""The demonstration: a service and an HSM simulator as processes, and keys between them."""
