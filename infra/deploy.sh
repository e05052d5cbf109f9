#!/usr/bin/env bash
# Deploys every stack of a stage, in its order: infra/deploy.sh STAGE [NAME=VALUE ...], such as infra/deploy.sh dev LambdaCodeKey=fleet-7.zip
# What is given wins over infra/parameters; a stack takes what it knows of it. Needs the AWS command line, 1 or 2, and no Node.
# With CLOUDFORMATION_ROLE_ARN CloudFormation acts as that role, and whoever runs this needs to be permitted little.
set -euo pipefail
cd "$(dirname "$0")"

[ $# -ge 1 ] || { echo "usage: infra/deploy.sh STAGE [NAME=VALUE ...]" >&2; exit 2; }
stage=$1
shift
for given in "$@"; do
    [[ $given == *=* ]] || { echo "$given: write NAME=VALUE" >&2; exit 2; }
done

parameters() {  # parameters TEMPLATE FILE GIVEN...: NAME=VALUE of all that the template knows, a line each
    python3 - "$@" <<'PYTHON'
import json, sys
template, file, *given = sys.argv[1:]
known = json.load(open(template))["Parameters"]
rows = {row["ParameterKey"]: row["ParameterValue"] for row in json.load(open(file))}
rows |= dict(each.split("=", 1) for each in given)
print(*(f"{name}={value}" for name, value in rows.items() if name in known), sep="\n")
PYTHON
}

while read -r stack who file <&3; do
    [[ $who == always || $who == asked ]] || continue
    case $file in workers) file=parameters/workers-$stage.json ;; *) file=parameters/$stage.json ;; esac
    [ -f "$file" ] || { echo "no infra/$file: STAGE is dev, staging or prod" >&2; exit 2; }
    # Fargate is deployed where a worker's door says so: its image and its network have to be named then.
    if [ $stack = services ] && ! { parameters templates/services.json "$file" "$@" | grep -qE 'Door=(fargate|both)$'; }; then
        continue
    fi
    mapfile -t told < <(parameters "templates/$stack.json" "$file" "$@")
    project=$(printf '%s\n' "${told[@]}" | sed -n 's/^ProjectName=//p')
    echo "$project-$stack-$stage" >&2
    large=()
    if [ "$(wc -c < "templates/$stack.json")" -ge 51200 ]; then  # CloudFormation takes it only from a bucket: the zip's
        bucket=$(parameters templates/workers.json "parameters/workers-$stage.json" "$@" | sed -n 's/^LambdaDeploymentBucket=//p')
        large=(--s3-bucket "$bucket" --s3-prefix fleet-lambda-templates)
    fi
    aws cloudformation deploy --stack-name "$project-$stack-$stage" --template-file "templates/$stack.json" \
        --parameter-overrides "${told[@]}" --capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset \
        ${large[@]+"${large[@]}"} \
        ${CLOUDFORMATION_ROLE_ARN:+--role-arn "$CLOUDFORMATION_ROLE_ARN"}
done 3< ../fleet/release/stacks.py
