"""What every other part of cfnbox builds on. Imports nothing else of cfnbox."""
