"""What every stack of the fleet is: a template without a bootstrap that knows its sources, whose resources carry their project and stage."""

from aws_cdk import BootstraplessSynthesizer, Stack
from constructs import Construct

from infra.fingerprint import METADATA_KEY, fingerprint
from infra.naming import tag_everything


class FleetStack(Stack):
    """One template for every stage: no bootstrap, no assets, no custom resources."""

    def __init__(self, scope: Construct, name: str, description: str) -> None:
        """The stack `{project}-{name}-{stage}`; what follows declares its parameters."""
        super().__init__(
            scope,
            name,
            description=description,
            synthesizer=BootstraplessSynthesizer(),
            suppress_template_indentation=True,  # `cdk deploy` has no bucket to upload a template above 51,200 bytes to
        )
        self.template_options.metadata = {METADATA_KEY: fingerprint()}
        tag_everything(self)
