"""SageMaker on this machine: what moto has, corrected to what the service does."""
