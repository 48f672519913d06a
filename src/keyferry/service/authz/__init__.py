"""Who may call: access keys and the accounts they belong to."""
