"""What a payment key is: attributes, rules, names, and their place in a key block header."""
