"""Everything the fleet owns on AWS, declared once: a CDK app whose synthesized templates are committed beside it."""
