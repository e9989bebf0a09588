# Holds a schema against every released one: conform.sh SCHEMA [RELEASED]
# Released schemas are what their list of digests says.
released=${2:-$(dirname "$0")/../../../runtime/schema/released}
(cd "$released" && sha256sum --quiet --check SHA256SUMS) || exit 1
count=0
for old in "$released"/*.fbs; do
  grep -q "  ${old##*/}\$" "$released/SHA256SUMS" ||
    { echo "${old##*/} has no digest in SHA256SUMS"; exit 1; }
  flatc --conform "$old" "$1" || exit 1
  count=$((count + 1))
done
[ "$count" -eq "$(wc -l < "$released/SHA256SUMS")" ] &&
  echo "conforms to $count released schemas"
