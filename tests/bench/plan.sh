#!/usr/bin/env bash
# How long `flagstaff plan` takes for 100,000 contexts and 100 flags, all of which differ:
#
#     cargo build --release --features cli && bash tests/bench/plan.sh target/release/flagstaff
set -euo pipefail
flagstaff=$(realpath "$1")
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT
cd "$directory"

# 25 percentages, 25 with lists, 25 with variants, and 25 with a rule of two comparisons.
flags() {
    awk -v more="$1" 'BEGIN {
        print "[flags]"
        for (i = 0; i < 25; i++) {
            printf "[flags.share_%d]\npercentage = %d\n", i, i + more
            printf "[flags.list_%d]\npercentage = %d\n", i, i + more
            printf "allowed_users = [\"u%d\", \"u7\"]\ndenied_groups = [\"g1\"]\n", i
            printf "[flags.test_%d]\nvariants = { control = %d, new = %d, other = 20 }\n", i, 60 - more, 20 + more
            printf "[flags.rule_%d]\npercentage = %d\n", i, more
            printf "rules = [{ name = \"r\", when = { plan = \"pro\", seats = { gt = %d } }, serve = \"%d%%\" }]\n", i, 50 + more
        }
    }'
}
flags 0 >old.toml
flags 5 >new.toml
awk 'BEGIN {
    for (i = 1; i <= 100000; i++)
        printf "{\"targetingKey\":\"u%d\",\"groups\":[\"g%d\"],\"plan\":\"%s\",\"seats\":%d}\n", i, i % 5, i % 3 ? "free" : "pro", i % 40
}' >users.jsonl

for _ in 1 2 3 4 5; do
    time "$flagstaff" plan old.toml new.toml --contexts users.jsonl --output json >counts.json
done
