"""keyferry: payment keys from HSMs into AWS Payment Cryptography, and the service itself."""

__version__ = "0.1.0"
