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
    python3 - "$stage" "$@" <<'PYTHON'
import json, os, sys
stage, template, file, *given = sys.argv[1:]
known = json.load(open(template))["Parameters"]
rows = {}
# A stack's own file is the last word, but a door that the workers' file names is also the alarms'.
for each in (f"parameters/{stage}.json", f"parameters/workers-{stage}.json", file):
    rows |= {row["ParameterKey"]: row["ParameterValue"] for row in json.load(open(each))} if os.path.exists(each) else {}
rows |= dict(each.split("=", 1) for each in given)
print(*(f"{name}={value}" for name, value in rows.items() if name in known), sep="\n")
PYTHON
}

# A name that nothing takes is a slip, a stage inside another one's stacks would rename what holds data, and half of a fleet under
# another project would look for stacks that nobody made.
python3 - "$stage" "$@" <<'PYTHON' || exit 2
import json, pathlib, sys
stage, *given = sys.argv[1:]
order = [line.split() for line in open("../fleet/release/stacks.py")]
deployed = {row[0] for row in order if len(row) == 3 and row[1] in ("always", "asked")}
known = {path.stem: set(json.load(open(path))["Parameters"]) for path in pathlib.Path("templates").glob("*.json")}
here = set().union(*(names for stack, names in known.items() if stack in deployed))
wrong = []
for name, value in (each.split("=", 1) for each in given):
    if name not in here:
        others = [stack for stack, names in known.items() if name in names]
        wrong.append(f"{name}: " + (f"a parameter of {others[0]}, which is deployed by hand" if others else "no stack has such a parameter"))
    elif name == "Stage" and value != stage:
        wrong.append(f"Stage={value}: STAGE is {stage}")
projects = {}
for file in (f"parameters/{stage}.json", f"parameters/workers-{stage}.json"):
    if pathlib.Path(file).is_file():
        rows = {row["ParameterKey"]: row["ParameterValue"] for row in json.load(open(file))}
        wrong += [f"infra/{file}: {name}: no stack has such a parameter" for name in rows if not any(name in names for names in known.values())]
        if rows.get("Stage", stage) != stage:
            wrong.append(f"infra/{file}: Stage={rows['Stage']}: STAGE is {stage}")
        projects[rows.get("ProjectName", "fleet")] = file
if len(projects) > 1 and not any(each.startswith("ProjectName=") for each in given):
    named = " and ".join(f"infra/{file} says {name}" for name, file in projects.items())
    wrong.append(f"ProjectName: {named}: write the same one in both, or give ProjectName=NAME")
sys.exit("\n".join(wrong) or None)
PYTHON

stands() {  # stands STACK: whether there is such a stack, once made; where that cannot be told, it ends here
    local said
    if said=$(aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text 2>&1); then
        [[ $said == CREATE_COMPLETE || $said == *UPDATE* ]]
    elif [[ $said == *"does not exist"* ]]; then
        return 1
    else
        echo "$said" >&2
        exit 1
    fi
}

while read -r stack who file <&3; do
    [[ $who == always || $who == asked ]] || continue
    case $file in workers) file=parameters/workers-$stage.json ;; *) file=parameters/$stage.json ;; esac
    [ -f "$file" ] || { echo "no infra/$file: STAGE is dev, staging or prod" >&2; exit 2; }
    told=()  # bash 3, which is macOS's, has no mapfile
    while IFS= read -r each; do told+=("$each"); done < <(parameters "templates/$stack.json" "$file" "$@")
    project=$(printf '%s\n' "${told[@]}" | sed -n 's/^ProjectName=//p')
    # Fargate is deployed where a worker's door says so: its image and its network have to be named then. Where the stack stands,
    # it is deployed whatever the doors say, or a worker that has left Fargate would go on running there.
    if [ $stack = services ] && ! { printf '%s\n' "${told[@]}" | grep -qE 'Door=(fargate|both)$' || stands "$project-$stack-$stage"; }; then
        continue
    fi
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
