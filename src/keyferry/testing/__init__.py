"""Fixtures for the tests of applications that use AWS Payment Cryptography."""
