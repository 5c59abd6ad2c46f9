"""The base of every other part of cfnbox. Imports nothing else of cfnbox."""
