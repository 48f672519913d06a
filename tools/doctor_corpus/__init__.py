"""Makers of broken inputs, one cause each; tools/make_doctor_corpus.py writes them down."""
