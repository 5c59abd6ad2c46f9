"""Resource types that their AWS service's own API makes."""
