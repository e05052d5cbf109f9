"""What a process is told beside its environment, where it runs on AWS."""
