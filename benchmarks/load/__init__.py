"""Load on a running service, by a program in C: what the client costs must not be measured."""
