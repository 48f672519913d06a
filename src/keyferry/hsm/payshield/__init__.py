"""Thales payShield 10K: commands as data, driver, simulator."""
