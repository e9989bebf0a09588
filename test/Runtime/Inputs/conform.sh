# Holds a schema against every released one: conform.sh SCHEMA
released=$(dirname "$0")/../../../runtime/schema/released
count=0
for old in "$released"/*.fbs; do
  flatc --conform "$old" "$1" || exit 1
  count=$((count + 1))
done
[ -e "$old" ] && echo "conforms to $count released schemas"
