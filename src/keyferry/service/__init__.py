"""The self-hostable service with the AWS Payment Cryptography API."""
